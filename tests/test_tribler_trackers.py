"""Tribler's UDP trackers on Linux, where nothing deafens the socket that they share."""

from __future__ import annotations

import sys

from .windows_tests import taken_from

if sys.platform != "win32":  # there tests/windows is run as it is
    globals().update(taken_from("test_tribler_trackers", "trackers", "plugin"))
