"""What waits while a transport has no socket, on Linux, too."""

from __future__ import annotations

import sys

from .windows_tests import taken_from

if sys.platform != "win32":  # there tests/windows is run as it is
    globals().update(taken_from("test_gap"))
