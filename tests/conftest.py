"""On Linux, tests/windows runs on the lab's Windows Pythons; on Windows, as any other test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .winlab import quick

ALONE = "alone: no other Windows Python of the lab may run beside it, as where it measures time"

if sys.platform != "win32":
    from .winlab import bridge


def pytest_addoption(parser: pytest.Parser) -> None:
    quick.add_option(parser)
    if sys.platform != "win32":
        bridge.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", ALONE)
    quick.register(config, Path(__file__).parent)
    if sys.platform != "win32":
        folder = Path(__file__).parent / "windows"
        config.pluginmanager.register(bridge.Bridge(config, folder), "winlab")
