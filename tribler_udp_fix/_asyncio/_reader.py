"""Whether a datagram transport reads, as far as can be seen, and how to make it read again.

What is seen is a trace, never a proof of hearing: a read that is posted may have been lost.
Transports of asyncio's own loops are known here; of any other nothing is said, and it is left
alone.
"""

from __future__ import annotations

import enum
import logging
import selectors
import sys
from asyncio import selector_events
from typing import Any

if sys.platform == "win32":
    from asyncio import proactor_events

    from tribler_udp_fix._asyncio._transport import Receiving

    _Proactor: Any = proactor_events._ProactorDatagramTransport  # type: ignore[attr-defined]

_Selector: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]

logger = logging.getLogger("tribler_udp_fix.watchdog")

# Each queued ICMP error fails one more receive of a stock transport (gh-127057), as many as there
# were peers that left since it went deaf.
_TRIES = 200


class Reading(enum.Enum):
    """What can be seen of a transport's read."""

    ARMED = "armed"
    NOT_ARMED = "not armed"
    GONE = "gone"  # the transport is closed or closing
    UNKNOWN = "unknown"  # not one of asyncio's


def reading_of(transport: Any) -> Reading:
    """What can be seen of the transport's read."""
    try:
        if transport.is_closing():
            return Reading.GONE
        armed = _armed(transport)
    except AttributeError:  # a transport of another shape
        return Reading.UNKNOWN
    if armed is None:
        return Reading.UNKNOWN
    return Reading.ARMED if armed else Reading.NOT_ARMED


def rearm(transport: Any) -> bool:
    """Make the transport read again, in place; whether there was anything to do.

    A read that is posted is taken to be lost, and is posted anew.
    """
    try:
        if transport.is_closing():
            return False
        if isinstance(transport, _Selector):
            return _rearm_selector(transport)
        if sys.platform == "win32":
            if isinstance(transport, Receiving):
                transport.rearm()
                return True
            if isinstance(transport, _Proactor):
                return _rearm_stock_proactor(transport)
    except Exception:  # another shape, a handle that is closed: then it takes another socket
        logger.warning("%r cannot be made to read again", transport, exc_info=True)
    return False


def _armed(transport: Any) -> bool | None:
    if isinstance(transport, _Selector):
        return getattr(transport, "_paused", False) or _is_registered(transport)
    if sys.platform == "win32":
        if isinstance(transport, Receiving):
            return transport.reading
        if isinstance(transport, _Proactor):
            return transport._read_fut is not None
    return None


def _is_registered(transport: Any) -> bool:
    try:
        key = transport._loop._selector.get_key(transport._sock_fd)
    except (KeyError, ValueError, RuntimeError):  # RuntimeError: the selector is closed
        return False
    return bool(key.events & selectors.EVENT_READ)


def _rearm_selector(transport: Any) -> bool:
    if getattr(transport, "_paused", False):
        return False
    transport._loop._add_reader(transport._sock_fd, transport._read_ready)
    return True


def _rearm_stock_proactor(transport: Any) -> bool:
    lost, transport._read_fut = transport._read_fut, None
    if lost is not None:
        # Its callback would find another read, or none, and raise.
        lost.remove_done_callback(transport._loop_reading)
        lost.cancel()
    for _ in range(_TRIES):
        transport._loop_reading()
        if transport._read_fut is not None or transport.is_closing():
            break
    return True
