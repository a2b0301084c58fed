"""What is repaired in asyncio, on this system."""

from __future__ import annotations

import sys
from typing import Callable

from tribler_udp_fix._asyncio._transports import ownership_repair, selector_repair
from tribler_udp_fix._patching._patches import Repair
from tribler_udp_fix._settings import Settings


def repairs(settings: Callable[[], Settings]) -> list[Repair]:
    """The repairs for the running CPython; *settings* is asked each time one of them acts."""
    found = [ownership_repair(), selector_repair(settings)]
    if sys.platform == "win32":
        from tribler_udp_fix._asyncio import _proactor

        found += _proactor.repairs(settings)
    return found
