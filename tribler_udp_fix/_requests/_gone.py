"""Which peers are gone, by default: here, and nowhere else, requests learn of it."""

from __future__ import annotations

import asyncio
from typing import Any, Callable

from tribler_udp_fix._peers._heartbeat_policy import PeerState
from tribler_udp_fix._peers._monitor import running

IsGone = Callable[[Any], bool]


def is_gone(peer: Any) -> bool:
    """Whether the monitors of this event loop have found that *peer* has left, and none is alive.

    Of a peer that nobody watches it is not known.
    """
    loop = asyncio.get_running_loop()
    states = [monitor.state(peer) for monitor in list(running) if monitor.loop is loop]
    return PeerState.GONE in states and PeerState.ALIVE not in states
