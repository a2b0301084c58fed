"""Tribler's UDP trackers, each asked from a connected socket of its own.

Tribler asks all of them from one socket, once, and takes any datagram with the right number for the
answer. An error that one tracker earns is then that socket's, and no other tracker is heard.
"""

from __future__ import annotations

import asyncio
import struct
import weakref
from typing import Any, Callable

from tribler_udp_fix._pool._sockets import MOST, RequestSockets
from tribler_udp_fix._settings import current_settings

# BEP 15: 15 * 2 ** n seconds until it is sent again, n up to 8; Tribler gives up long before.
FIRST, RETRIES = 15.0, 8
IDLE = 1.0  # seconds; a tracker is asked twice at most, one right after the other


class _Pool:
    """The sockets of one session of Tribler's, and how many trackers are asked from them."""

    def __init__(self) -> None:
        self.sockets = RequestSockets(MOST, IDLE)
        self.asked = 0


# By the object of Tribler's that has the socket: one for each session, and so for each event loop.
_pools: weakref.WeakKeyDictionary[Any, _Pool] = weakref.WeakKeyDictionary()


async def send_request(
    wrapped: Callable[..., Any], manager: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What replaces ``UdpSocketManager.send_request()``: the answer, or a RuntimeError, returned.

    Through a proxy, or with the setting off, it is asked as Tribler does; and where every socket is
    taken, lest it waits until its time is over.
    """
    bound = {**dict(zip(("data", "tracker_session"), args)), **kwargs}
    session = bound["tracker_session"]
    if session.proxy or not current_settings().tracker_sockets:
        return await wrapped(*args, **kwargs)
    if manager not in _pools:
        _pools[manager] = _Pool()
    pool = _pools[manager]
    if pool.asked >= MOST:
        return await wrapped(*args, **kwargs)
    host = session.ip_address or session.tracker_address[0]
    number = struct.pack("!i", session.transaction_id)
    pool.asked += 1
    try:
        return await pool.sockets.ask(
            (host, session.port),
            bound["data"],
            match=lambda reply: reply[4:8] == number,
            timeout=session.timeout,
            retries=RETRIES,
            wait=FIRST,
        )
    except asyncio.TimeoutError:  # Tribler's to tell; since Python 3.11 an OSError, too
        raise
    except (OSError, TypeError, ValueError) as exc:  # TypeError, ValueError: of what a URL says
        return RuntimeError(f"Unable to write to socket - {exc}")
    finally:
        pool.asked -= 1
