"""Every pyipv8 from 2.10.0 to 3.2.1 is known to the repairs, and mended where it needs to be."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

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


def check_all(stock: dict[str, Any], repaired: dict[str, Any], wheel: IPv8Wheel, lab: bool) -> None:
    for plugin, seen in ((False, stock), (True, repaired)):
        assert ".".join(map(str, version_of(seen))) == wheel.version
        for name in SCENARIOS:
            check(seen, name, plugin=plugin, lab=lab)


def test_on_linux_its_endpoints_are_known_and_mended(wheel: IPv8Wheel, folder: Path) -> None:
    if not wheel.supports(HERE):
        pytest.skip(f"pyipv8 {wheel.version} does not declare this Python")
    path = str(folder)
    stock, repaired = (meet(plugin, PYTHONPATH=path) for plugin in (False, True))
    check_all(stock, repaired, wheel, lab=False)


def test_on_windows_its_endpoints_are_known_and_mended(wheel: IPv8Wheel, folder: Path) -> None:
    def meet_there(plugin: bool) -> dict[str, Any]:
        environ = {**os.environ, "TRIBLER_UDP_FIX": "1" if plugin else "0"}
        environ["PYTHONPATH"] = str(folder)
        done = winlab("run", windows_python(wheel).minor, str(SCRIPT), *SCENARIOS, env=environ)
        assert done.returncode == 0, done.stderr
        outcomes: dict[str, Any] = json.loads(done.stdout)
        return outcomes

    check_all(meet_there(False), meet_there(True), wheel, lab=True)
