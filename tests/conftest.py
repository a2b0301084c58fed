"""On Linux, tests/windows runs on the lab's Windows Pythons; on Windows, as any other test."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from .winlab import quick

APART = "apart: in another pytest beside all others, in a Wine of its own"
ALONE = "alone: no other Windows Python of the lab may run beside it, as where it measures time"

if sys.platform != "win32":
    from .winlab import bridge, places


def pytest_addoption(parser: pytest.Parser) -> None:
    quick.add_option(parser)
    if sys.platform != "win32":
        bridge.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As a shell starts what it puts into the background; what the tests start would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", ALONE)
    config.addinivalue_line("markers", APART)
    quick.register(config, Path(__file__).parent)
    if sys.platform != "win32" and places.APART not in os.environ:
        folder = Path(__file__).parent / "windows"
        config.pluginmanager.register(bridge.Bridge(config, folder), "winlab")
