"""The tests of Rust endpoints on Linux, too: nothing in them is Windows' alone."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ipv8_rust_tunnels") is None, reason="the lab's Linux venv has it"
)

if sys.platform != "win32":  # there tests/windows is run as it is
    folder = str(Path(__file__).parent / "windows")
    if folder not in sys.path:  # as pytest has it once it has been there
        sys.path.insert(0, folder)
    for module in ("test_rust_endpoint", "test_rust_gap", "test_rust_restoring"):
        pytest.register_assert_rewrite(module)
        found = vars(importlib.import_module(module))
        globals().update({name: found[name] for name in found if name.startswith("test_")})
