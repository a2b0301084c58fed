"""What the system says by itself: addresses that come and go, and that the machine has resumed.

Where it says nothing, what looks for itself finds out the same, later.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Protocol

from tribler_udp_fix._watchdog._hearer import Hearer
from tribler_udp_fix._watchdog._linux_notices import LinuxNotices


class Notices(Protocol):
    """What is listened to."""

    def close(self) -> None:
        """Hear no more."""


class Silence:
    """Where nothing is told."""

    def close(self) -> None:
        """Nothing."""


def notices(loop: asyncio.AbstractEventLoop, hearer: Hearer) -> Notices:
    """Have *hearer* told, on *loop*, of what this system tells of."""
    if sys.platform == "win32":
        try:
            from tribler_udp_fix._watchdog._windows_notices import WindowsNotices
        except Exception:  # a frozen program may have no ctypes
            return Silence()
        return WindowsNotices(loop, hearer)
    return LinuxNotices(loop, hearer)
