"""What can be watched, found behind what somebody asks to watch."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Iterable

from tribler_udp_fix._asyncio._interfaces import Interface
from tribler_udp_fix._asyncio._obstacles import MakeSocket
from tribler_udp_fix._asyncio._transports import adopt, is_ours_to_adopt
from tribler_udp_fix._ipv8._adapters import keep_to, opens_where_it_keeps_to
from tribler_udp_fix._ipv8._leaves import leaves
from tribler_udp_fix._ipv8._rust_reopen import can_be_reopened
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._leaf import Leaf
from tribler_udp_fix._watchdog._rust_leaf import RustLeaf
from tribler_udp_fix._watchdog._transport_leaf import TransportLeaf
from tribler_udp_fix._watchdog._udp_leaf import UdpLeaf

ALLOWED = (
    "a datagram transport of asyncio's own event loops, an endpoint of IPv8's, or a list of such"
)


class Subjects:
    """What to watch: *asked* is one transport or endpoint, or several.

    Raises TypeError where one of them is neither.
    """

    def __init__(
        self,
        asked: Any,
        make_socket: MakeSocket | None = None,
        interface: Interface | None = None,
    ) -> None:
        self._all = tuple(asked) if isinstance(asked, (list, tuple, set)) else (asked,)
        self._make_socket = make_socket
        self.interface = interface
        for one in self._all:
            if not (is_transport(one) or is_of_ipv8(one)):
                raise TypeError(f"{one!r} cannot be watched: possible is {ALLOWED}")
        if make_socket is not None and not is_transport(asked):
            raise ValueError("make_socket: allowed is one transport, whose next socket it makes")

    def find(self, settings: Settings) -> tuple[list[Leaf], tuple[str, ...]]:
        """Those with a socket, and the names of the classes that are unknown, and left alone."""
        found: list[Leaf] = []
        try:
            return found, self._find(settings, found)
        except BaseException:  # an interrupt, too, must leave nothing half watched
            for leaf in found:
                leaf.detach()
            raise

    def _find(self, settings: Settings, found: list[Leaf]) -> tuple[str, ...]:
        unknown: list[str] = []
        for one in self._all:
            if is_transport(one):
                _require_own_loop(one, one)
                leaf = transport_leaf(one, settings, self._make_socket, self.interface)
                found.append(leaf)
                if self.interface is not None and not leaf.rebinds:
                    raise ValueError(f"{_is_not_for(self.interface, one)}: {leaf.why_not()}")
                continue
            behind = leaves(one)
            for leaf in behind.udp:
                if self.interface is not None:
                    if not leaf.is_open() and not opens_where_it_keeps_to():
                        why = "it is not open yet: allowed is to call install() before"
                        raise ValueError(f"{_is_not_for(self.interface, leaf)}: {why}")
                    keep_to(leaf, self.interface)
                _require_own_loop(leaf, leaf._transport)
                if leaf._transport is None or is_ours_to_adopt(leaf._transport):
                    found.append(UdpLeaf(leaf, settings))
                else:  # of another library's event loop
                    unknown.append(f"{type(leaf).__name__} on {type(leaf._transport).__name__}")
            if self.interface is not None:
                _keep_rust_to(self.interface, behind.rust)
            found += [RustLeaf(leaf, settings) for leaf in behind.rust]
            unknown += behind.unknown
        return tuple(dict.fromkeys(unknown))


def _keep_rust_to(interface: Interface, endpoints: Iterable[Any]) -> None:
    for endpoint in endpoints:
        if not can_be_reopened(endpoint):
            why = "this version of it cannot be reopened"
            raise ValueError(f"{_is_not_for(interface, endpoint)}: {why}")
        keep_to(endpoint, interface)


def _is_not_for(interface: Interface, one: Any) -> str:
    return f"bind_interface={interface.name!r} is not for {one!r}"


def _require_own_loop(one: Any, transport: Any) -> None:
    """Raise ValueError where *transport*, of *one*, is another event loop's: it is not to wait."""
    loop = getattr(transport, "_loop", None)
    if loop is not None and loop is not asyncio.get_running_loop():
        raise ValueError(f"{one!r} is another event loop's: allowed is a watchdog on that loop")


def transport_leaf(
    transport: Any,
    settings: Settings,
    make_socket: MakeSocket | None = None,
    interface: Interface | None = None,
) -> TransportLeaf:
    """The leaf of a transport of asyncio's own; raises ValueError where that is closed."""
    ours = None if transport.is_closing() else adopt(transport, settings)
    if ours is None:
        raise ValueError(f"{transport!r} is closed: only an open transport can be watched")
    return TransportLeaf(ours, settings, make_socket, interface)


def is_transport(one: Any) -> bool:
    """Whether it is a datagram transport, over IPv4 or IPv6, of asyncio's own event loops."""
    if not is_ours_to_adopt(one):
        return False
    sock = one.get_extra_info("socket")
    family = getattr(sock, "family", getattr(one, "family", None))
    return family in (socket.AF_INET, socket.AF_INET6)


def endpoints_of(one: Any) -> tuple[Any, ...]:
    """What a leaf for it has as its ``endpoint``: itself, or the endpoints that it passes on to."""
    if isinstance(one, asyncio.BaseTransport):
        return (one,)
    found = leaves(one)
    return (*found.udp, *found.rust)


def is_of_ipv8(one: Any) -> bool:
    """Whether it is an endpoint of IPv8's, or says that it is, as the mock ones of its tests do."""
    if isinstance(one, asyncio.BaseTransport):
        return False
    names = {f"{cls.__module__}.{cls.__name__}" for cls in type(one).__mro__}
    return bool(endpoints_of(one)) or "ipv8.messaging.interfaces.endpoint.Endpoint" in names
