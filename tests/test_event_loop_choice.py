"""The choice of an event loop on Linux, too: the hooks are the same there, the loops stand-ins."""

from __future__ import annotations

import sys

from .windows_tests import taken_from

if sys.platform != "win32":  # there tests/windows is run as it is
    globals().update(taken_from("test_event_loop_choice", "hook", "_policy"))
