"""The choice of an event loop on Linux, too: the hooks are the same there, the loops stand-ins."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":  # there tests/windows is run as it is
    folder = str(Path(__file__).parent / "windows")
    if folder not in sys.path:  # as pytest has it once it has been there
        sys.path.insert(0, folder)
    pytest.register_assert_rewrite("test_event_loop_choice")
    found = vars(importlib.import_module("test_event_loop_choice"))
    names = [name for name in found if name.startswith("test_") or name in ("hook", "_policy")]
    globals().update({name: found[name] for name in names})
