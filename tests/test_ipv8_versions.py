"""Every pyipv8 from 2.10.0 to 3.2.1 is known to the repairs, and mended where it needs to be."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from ipv8_expected import SCENARIOS, check, version_of
from peer_expected import EXPECTED as PEERS
from peer_expected import check as check_peers
from peer_expected import check_watched

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from .lab_command import winlab
from .test_ipv8_faults import SCRIPT, meet, output_of
from .winlab.ipv8_wheels import IPV8_WHEELS, IPv8Wheel, fetch
from .winlab.pythons import PYTHONS, WindowsPython

HERE = sys.version_info[:2]


@pytest.fixture(scope="module", params=IPV8_WHEELS, ids=lambda wheel: str(wheel.version))
def wheel(request: pytest.FixtureRequest) -> IPv8Wheel:
    chosen: IPv8Wheel = request.param
    return chosen


@pytest.fixture(scope="module")
def folder(wheel: IPv8Wheel) -> Path:
    return fetch(wheel)


def windows_python(wheel: IPv8Wheel) -> WindowsPython:
    """The oldest of the lab that this pyipv8 declares: the newest are with test_ipv8_faults.py."""
    for python in PYTHONS:
        major, minor = python.minor.split(".")
        if wheel.supports((int(major), int(minor))):
            return python
    raise AssertionError(wheel)


def both(meet: Callable[[bool], dict[str, Any]]) -> list[dict[str, Any]]:
    """What is met without the plugin and with it, at the same time."""
    with ThreadPoolExecutor(2) as two:
        return list(two.map(meet, (False, True)))


def check_all(stock: dict[str, Any], repaired: dict[str, Any], wheel: IPv8Wheel, lab: bool) -> None:
    for plugin, seen in ((False, stock), (True, repaired)):
        assert ".".join(map(str, version_of(seen))) == wheel.version
        for name in SCENARIOS:
            check(seen, name, plugin=plugin, lab=lab)


# What Windows shows of each release, Linux shows of the oldest, of the last that passes on what a
# Statistics endpoint has not, and of the newest.
ON_LINUX = [wheel for wheel in IPV8_WHEELS if wheel.version in ("2.10.0", "3.0.0", "3.2.1")]


@pytest.mark.parametrize("wheel", ON_LINUX, ids=lambda wheel: str(wheel.version), indirect=True)
def test_on_linux_its_endpoints_are_known_and_mended(wheel: IPv8Wheel, folder: Path) -> None:
    if not wheel.supports(HERE):
        pytest.skip(f"pyipv8 {wheel.version} does not declare this Python")
    path = str(folder)
    stock, repaired = both(lambda plugin: meet(plugin, PYTHONPATH=path))
    check_all(stock, repaired, wheel, lab=False)


def test_on_windows_its_endpoints_are_known_and_mended(wheel: IPv8Wheel, folder: Path) -> None:
    def meet_there(plugin: bool) -> dict[str, Any]:
        environ = {**os.environ, "TRIBLER_UDP_FIX": "1" if plugin else "0"}
        environ["PYTHONPATH"] = str(folder)
        done = winlab("run", windows_python(wheel).minor, str(SCRIPT), *SCENARIOS, env=environ)
        assert done.returncode == 0, done.stderr
        outcomes: dict[str, Any] = json.loads(done.stdout)
        return outcomes

    stock, repaired = both(meet_there)
    check_all(stock, repaired, wheel, lab=True)


# The one that takes longest is with test_peer_faults.py, and shows nothing that depends on them.
PEER_SCRIPT = SCRIPT.with_name("peer_faults.py")
PEER_SCENARIOS = (*(name for name in PEERS if name != "deaf"), "states")


def check_all_peers(seen: list[dict[str, Any]], wheel: IPv8Wheel) -> None:
    for plugin in (False, True):
        assert ".".join(map(str, seen[plugin]["states"]["version"])) == wheel.version
        check_peers(seen[plugin], plugin=plugin)


@pytest.mark.parametrize("wheel", ON_LINUX, ids=lambda wheel: str(wheel.version), indirect=True)
def test_on_linux_it_keeps_its_peers(wheel: IPv8Wheel, folder: Path) -> None:
    if not wheel.supports(HERE):
        pytest.skip(f"pyipv8 {wheel.version} does not declare this Python")

    def meet_there(plugin: bool) -> dict[str, Any]:
        return output_of(PEER_SCRIPT, *PEER_SCENARIOS, plugin=plugin, PYTHONPATH=str(folder))

    check_all_peers(both(meet_there), wheel)


# tests/test_requests.py has the newest.
OLDER = ON_LINUX[:-1]


@pytest.mark.parametrize("wheel", OLDER, ids=lambda wheel: str(wheel.version), indirect=True)
def test_on_linux_its_requests_are_sent_again(wheel: IPv8Wheel, folder: Path) -> None:
    if not wheel.supports(HERE):
        pytest.skip(f"pyipv8 {wheel.version} does not declare this Python")
    script = SCRIPT.with_name("all_requests.py")
    seen = output_of(script, plugin=False, PYTHONPATH=str(folder))
    assert ".".join(map(str, seen["version"])) == wheel.version
    assert {name: out for name, out in seen["outcomes"].items() if out != "passed"} == {}


@pytest.mark.parametrize("wheel", ON_LINUX, ids=lambda wheel: str(wheel.version), indirect=True)
def test_on_windows_it_keeps_its_peers(wheel: IPv8Wheel, folder: Path) -> None:
    minor = windows_python(wheel).minor
    path = str(folder)

    def meet_there(plugin: bool) -> dict[str, Any]:
        environ = {**os.environ, "TRIBLER_UDP_FIX": "1" if plugin else "0", "PYTHONPATH": path}
        done = winlab("run", minor, str(PEER_SCRIPT), *PEER_SCENARIOS, env=environ)
        assert done.returncode == 0, done.stderr
        outcomes: dict[str, Any] = json.loads(done.stdout)
        return outcomes

    check_all_peers(both(meet_there), wheel)


# tests/test_peer_monitor.py has the newest, and the endpoint of Rust.
WATCHED = [w for w in IPV8_WHEELS if w.version in ("2.10.0", "2.13.0", "3.0.0", "3.1.0")]
WATCHING = SCRIPT.with_name("peers_watched.py")


@pytest.mark.parametrize("wheel", WATCHED, ids=lambda wheel: str(wheel.version), indirect=True)
def test_on_linux_its_peers_are_watched(wheel: IPv8Wheel, folder: Path) -> None:
    if not wheel.supports(HERE):
        pytest.skip(f"pyipv8 {wheel.version} does not declare this Python")
    seen = output_of(WATCHING, plugin=False, PYTHONPATH=str(folder))
    check_watched(seen, wheel.version, "peer_faults")


# The last of them wants cryptography for its keys, which that Windows Python has not got.
@pytest.mark.parametrize("wheel", WATCHED[:-1], ids=lambda w: str(w.version), indirect=True)
def test_on_windows_its_peers_are_watched(wheel: IPv8Wheel, folder: Path) -> None:
    environ = {**os.environ, "TRIBLER_UDP_FIX": "1", "PYTHONPATH": str(folder)}
    done = winlab("run", windows_python(wheel).minor, str(WATCHING), env=environ)
    assert done.returncode == 0, done.stderr
    check_watched(json.loads(done.stdout), wheel.version, "peer_faults")
