"""What a fault is injected into: the transports behind an endpoint, of which event loop."""

from __future__ import annotations

import sys
from asyncio import selector_events
from typing import Any

from tribler_udp_fix._ipv8._leaves import leaves

if sys.platform == "win32":
    from asyncio import proactor_events

    from tribler_udp_fix._asyncio._proactor_transport import ProactorTransport

    _Proactor: Any = proactor_events._ProactorDatagramTransport  # type: ignore[attr-defined]

_Selector: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]

_ALLOWED = (
    "an open UDPEndpoint or UDPv6Endpoint of IPv8 (alone, or behind Dispatcher, Statistics and "
    "Tunnel endpoints), or a datagram transport of asyncio's own event loops"
)


class FaultUnavailable(Exception):
    """The fault cannot be injected there; the message says what is possible."""


def is_transport(target: Any) -> bool:
    """Whether *target* is a datagram transport, of whatever event loop."""
    return hasattr(target, "sendto") and hasattr(target, "get_extra_info")


def endpoints_of(target: Any) -> tuple[Any, ...]:
    """The IPv8 endpoints with a socket of their own that *target* is, or passes on to.

    Raises FaultUnavailable where there is none, or none whose socket is Python's.
    """
    found = leaves(target)
    if found.udp:
        return found.udp
    if found.rust:
        raise FaultUnavailable(
            f"{target!r} has a socket of Rust's, out of this fault's reach: possible is {_ALLOWED}"
        )
    if hasattr(target, "_transport"):  # a subclass that overrides, which a fault does not mind
        return (target,)
    raise FaultUnavailable(f"{target!r} has no UDP socket: possible is {_ALLOWED}")


def transports_of(target: Any) -> list[Any]:
    """The open transports of asyncio's that *target* is, or passes on to.

    Raises FaultUnavailable where one is closed, or not asyncio's, or there is none.
    """
    if is_transport(target):
        transports = [target]
    else:
        transports = [endpoint._transport for endpoint in endpoints_of(target)]
    for transport in transports:
        if transport is None or not (is_selector(transport) or is_proactor(transport)):
            raise FaultUnavailable(f"{transport!r} of {target!r}: possible is {_ALLOWED}")
        if transport.is_closing():
            raise FaultUnavailable(f"{transport!r} is closed: possible is {_ALLOWED}")
    return transports


def is_selector(transport: Any) -> bool:
    """Whether *transport* is one of a SelectorEventLoop, on whichever system."""
    return isinstance(transport, _Selector)


def is_proactor(transport: Any) -> bool:
    """Whether *transport* is one of a ProactorEventLoop, as CPython made it or as repaired."""
    return sys.platform == "win32" and isinstance(transport, _Proactor)


def is_repaired(transport: Any) -> bool:
    """Whether *transport* is one that the plugin made in place of CPython's."""
    return sys.platform == "win32" and isinstance(transport, ProactorTransport)


def is_over(transport: Any) -> bool:
    """Whether *transport*, or its event loop, has been closed: there is nothing to restore."""
    return bool(transport.is_closing() or transport._loop.is_closed())


def not_reading(transport: Any) -> FaultUnavailable:
    """What to raise for a transport that does not read in the first place."""
    return FaultUnavailable(f"{transport!r} does not read, which it has to before it can stop")
