"""The tests of Rust endpoints on Linux, too: nothing in them is Windows' alone."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from .windows_tests import taken_from

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ipv8_rust_tunnels") is None, reason="the lab's Linux venv has it"
)

if sys.platform != "win32":  # there tests/windows is run as it is
    for module in ("test_rust_endpoint", "test_rust_gap", "test_rust_restoring"):
        globals().update(taken_from(module))
