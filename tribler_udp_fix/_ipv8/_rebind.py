"""Another socket for an IPv8 endpoint, at the same port, while its communities go on.

In this order, because each other one has failed somebody: the stand-in takes the sends; the old
transport is aborted and its ``connection_lost()`` awaited, or else the port is still taken
(https://github.com/agronholm/anyio/issues/1237); the same port is bound by our own code, with the
same options; a new transport reads from the new socket, too
(https://github.com/tailscale/tailscale/issues/20616 left the reader on the old one); and only then
does what was queued leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import Any, Iterator

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._errors import ErrorClass, classify
from tribler_udp_fix._asyncio._rebound import EndpointGone, Rebound
from tribler_udp_fix._ipv8._binding import SocketOption, new_socket, open_options, socket_options
from tribler_udp_fix._ipv8._gap import Gap
from tribler_udp_fix._ipv8._opening import make_transport
from tribler_udp_fix._ipv8._turns import one_at_a_time

CLOSE_TIMEOUT = 1.0  # seconds to wait for the old transport's connection_lost()
DRAINED = 1000  # datagrams, at most, that are taken from the old socket before it is closed


class Rebinder:
    """Rebinds one ``UDPEndpoint``. What it keeps is what a second try needs after a failed one."""

    def __init__(self, endpoint: Any, gap_queue: int, allow_port_change: bool) -> None:
        self._endpoint = endpoint
        self._gap_queue = gap_queue
        self._allow_port_change = allow_port_change
        self._gap: Gap | None = None  # the last there was
        self._lost_before = 0
        self._next: socket.socket | None = None  # made before the old one was closed

    @property
    def lost(self) -> int:
        """Datagrams lost so far for want of a socket."""
        return self._lost_before + (self._gap.lost if self._gap else 0)

    async def rebind(self) -> Rebound:
        """Give the endpoint a new socket, bound where the old one was.

        Raises OSError when its port, or with ``allow_port_change`` every port, cannot be bound: the
        endpoint then goes on without a socket, its sends queueing, until a later call succeeds.
        Raises EndpointGone when its owner closes it. One that gets a new socket from another
        watchdog, while this waits for its turn, keeps that.
        """
        endpoint = self._endpoint
        old = endpoint._transport
        async with one_at_a_time(endpoint):
            if endpoint._running and endpoint._transport is old and _is_closed(old):
                self._stand_in()  # it sends nothing any more: what is sent waits from now on
            # A loop's endpoints go deaf together, as after sleep: each has the loop to itself, so
            # that none waits without a socket for the others.
            async with one_at_a_time(asyncio.get_running_loop()):
                if not endpoint._running:
                    raise EndpointGone
                gap = endpoint._transport
                if not isinstance(gap, Gap):
                    if gap is not old:
                        return Rebound(endpoint._port, False, 0.0, 0, 0)
                    gap = await self._close()
                return await self._open(gap)

    def abandon(self) -> None:
        """Close an endpoint that is left without a socket, so that its owner can open it again."""
        gap = self._endpoint._transport
        if isinstance(gap, Gap):
            self._endpoint._running = False
            gap.close()
        if self._next is not None:  # nobody came to bind it
            self._next.close()
            self._next = None

    async def _close(self) -> Gap:
        """Put the stand-in in the transport's place, and close the old socket for good."""
        endpoint = self._endpoint
        old = endpoint._transport
        await _deliver(old)
        if endpoint._transport is not old or not endpoint._running:
            raise EndpointGone
        gap = self._stand_in()
        _drain(endpoint, old)
        farewell = _Farewell()
        old.set_protocol(farewell)
        old.abort()
        if not _is_closed(old) and not await farewell.within(CLOSE_TIMEOUT):
            COUNTERS.add("transports that did not close in time")
            with contextlib.suppress(Exception):  # of any make: the port has to become free
                old._sock.close()
        return gap

    def _stand_in(self) -> Gap:
        endpoint = self._endpoint
        old = endpoint._transport
        try:
            options = open_options(old.get_extra_info("socket"))
        except (OSError, AttributeError):  # a dead handle
            options = self._gap.options if self._gap else socket_options(endpoint)
        self._next = new_socket(endpoint.SOCKET_FAMILY, options)
        gap = Gap(_address_of(endpoint, old), self._gap_queue, options)
        self._lost_before, self._gap = self.lost, gap
        gap.take_over(old)
        endpoint._transport = gap
        return gap

    async def _open(self, gap: Gap) -> Rebound:
        endpoint = self._endpoint
        address = gap.get_extra_info("sockname")
        sock = self._bind(address, gap.options)
        port: int = sock.getsockname()[1]
        transport = await make_transport(endpoint, sock)
        if endpoint._transport is not gap or gap.is_closing() or not endpoint._running:
            transport.abort()
            gap.drop()
            raise EndpointGone
        endpoint._transport = transport
        endpoint._port = port
        queued = gap.hand_over(transport)
        moved = port != address[1]
        if moved:
            forget_lan_addresses(endpoint, address[1])
        return Rebound(port, moved, time.perf_counter() - gap.since, queued, gap.lost)

    def _bind(self, address: Any, options: list[SocketOption]) -> socket.socket:
        sock, self._next = self._next, None
        if sock is None:
            sock = new_socket(self._endpoint.SOCKET_FAMILY, options)
        try:
            try:
                sock.bind(address)  # with the scope of an IPv6 one
            except OSError:
                if not self._allow_port_change:
                    raise
                sock.bind((address[0], 0, *address[2:]))
        except BaseException:  # an interrupt, too, must leave no socket behind
            sock.close()
            raise
        return sock


def forget_lan_addresses(endpoint: Any, old_port: int) -> None:
    """Have every listener of the endpoint that knows itself at *old_port* look again."""
    with endpoint.listener_update_lock:
        listeners = set(endpoint._listeners).union(*endpoint._prefix_map.values())
    for listener in listeners:
        known = getattr(listener, "_my_estimated_lan", None)
        if known is not None and known[1] == old_port:
            listener._my_estimated_lan = None


class _Farewell(asyncio.DatagramProtocol):
    """The protocol of a transport that is being aborted."""

    def __init__(self) -> None:
        self._lost = asyncio.get_running_loop().create_future()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)

    async def within(self, seconds: float) -> bool:
        """Whether the transport said good-bye within so many seconds."""
        done, _ = await asyncio.wait([self._lost], timeout=seconds)
        return bool(done)


def _is_closed(transport: Any) -> bool:
    """Whether it has closed its socket before, and will not say good-bye again."""
    if isinstance(transport, Gap):
        return False
    sock = transport.get_extra_info("socket")
    return sock is not None and sock.fileno() == -1


def _address_of(endpoint: Any, transport: Any) -> Any:
    try:
        return transport.get_extra_info("socket").getsockname()
    except (OSError, AttributeError):  # a dead handle; what it was bound to is still known
        known = transport.get_extra_info("sockname")
        return known if known is not None else (endpoint._ip, endpoint._port)


async def _deliver(transport: Any) -> None:
    """Have a Proactor's transport deliver the datagrams that its receives have completed with."""
    for _ in range(DRAINED):
        receive = getattr(transport, "_read_fut", None)
        if receive is None or not receive.done():
            return
        await asyncio.sleep(0)


def _drain(endpoint: Any, transport: Any) -> None:
    """Have the endpoint hear what its old socket has received, and would take along."""
    loop = asyncio.get_running_loop()
    for data, address in _received(transport):
        # In a callback of its own: what a handler raises is the handler's fault.
        loop.call_soon(endpoint.datagram_received, data, address)


def _received(transport: Any) -> Iterator[tuple[bytes, Any]]:
    # On the Proactor the oldest may be in the posted receive, whose completion nobody will see.
    posted = getattr(getattr(transport, "_read_fut", None), "_ov", None)
    if posted is not None and not posted.pending:
        with contextlib.suppress(OSError):
            yield posted.getresult()
    sock = getattr(transport, "_sock", None)
    if sock is None:
        return
    for _ in range(DRAINED):
        try:
            if sock.gettimeout() != 0:
                return
            yield sock.recvfrom(65_535)
        except (BlockingIOError, ValueError):
            return
        except OSError as exc:  # but for a dead handle, an ICMP error that waited in line
            if sock.fileno() == -1 or classify(exc) is ErrorClass.DEAD:
                return
