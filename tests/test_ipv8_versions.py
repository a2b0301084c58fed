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

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from .lab_command import winlab
from .test_ipv8_faults import SCRIPT, meet
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
