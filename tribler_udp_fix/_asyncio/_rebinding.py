"""Another socket for a transport, at the same address, while its program goes on.

In this order, because each other one has failed somebody: the next socket is made, and the address
is known to be there, before anything is closed; what the old one has received is kept, and heard
before anything else, one datagram in each turn; the old one is closed, and what is sent waits from
then on; the same port is bound by our own code, with the same options; the transport reads from
the new socket, too (https://github.com/tailscale/tailscale/issues/20616 left the reader on the old
one); and only then does what was queued leave.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import sys
import time
from typing import Any, Callable, Iterator, Sequence

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._datagram import DatagramTransport
from tribler_udp_fix._asyncio._errors import ErrorClass, classify
from tribler_udp_fix._asyncio._one_at_a_time import one_at_a_time
from tribler_udp_fix._asyncio._ports import PortChange
from tribler_udp_fix._asyncio._rebound import EndpointGone, Rebound
from tribler_udp_fix._asyncio._receiving import LARGEST_DATAGRAM
from tribler_udp_fix._asyncio._sockets import SocketOption, bind_next
from tribler_udp_fix._settings import Settings

DRAINED = 1000  # datagrams, at most, that are taken from the old socket before it is closed
COUNTED = 10_000  # more of them are not even counted: somebody floods it
DRAINING = 0.1  # seconds for all that: others wait for the event loop
TOO_MANY = "received before rebinding, and too many"
# Windows may take a moment until the port of a socket is free whose operation was cancelled.
BIND_TRIES = 10
BIND_PAUSE = 0.002  # seconds

NewSocket = Callable[[int, Sequence[SocketOption]], socket.socket]


class Rebinder:
    """Rebinds one transport.

    *make* returns the next socket, not bound yet, for a family and the options that the last one
    had. *settings* say how many datagrams may wait meanwhile, and for how long.
    """

    def __init__(
        self, transport: DatagramTransport, settings: Settings, ports: PortChange, make: NewSocket
    ) -> None:
        self._transport = transport
        self._settings = settings
        self.ports = ports
        self._make = make
        transport.remember_options()

    def suspend(self) -> None:
        """Give up the socket now: it is dead."""
        self._transport.suspend(self._settings.gap_queue, self._settings.gap_queue_age)

    def give_up(self) -> None:
        """Give up the socket now: it is not to send any more. What it has received is heard."""
        self._transport._stop_waiting()  # on Windows a wait may keep what is there from a read
        _keep_rest(self._transport)
        self.suspend()

    async def rebind(self) -> Rebound:
        """Give the transport a new socket, bound where the old one was.

        Raises OSError when its port cannot be bound, and *ports* takes no other one: it then goes
        on without a socket, its sends queueing, until a later call succeeds; or with the old one,
        where its address is not there. Raises EndpointGone when its program closes it. One that
        gets a new socket from another watchdog, while this waits for its turn, keeps that.
        """
        transport = self._transport
        number = transport.sockets
        async with one_at_a_time(transport), one_at_a_time(asyncio.get_running_loop()):
            # A loop's endpoints go deaf together, as after sleep: each has the loop to itself, so
            # that none waits without a socket for the others.
            if transport.is_closing():
                raise EndpointGone
            if transport.sockets != number:
                return Rebound(transport._sockname()[1], False, 0.0, 0, 0)
            sock = await self._next()
            gap = transport._gap
            if gap is None or transport.is_closing():
                sock.close()
                raise EndpointGone
            before = gap.getsockname()
            self.ports.bound()
            port: int = sock.getsockname()[1]
            queued = transport.resume(sock)
            seconds = time.perf_counter() - gap.since
            moved = before[1] not in (0, port)
            return Rebound(port, moved, seconds, queued, transport.lost - gap.lost_before)

    async def _next(self) -> socket.socket:
        transport = self._transport
        address = transport._sockname()
        if transport.has_socket:
            if transport._paused:
                raise OSError(errno.EAGAIN, "its program has paused it")
            transport.remember_options()
        sock = self._make(transport.family, transport.options)
        try:
            transport.set_options(sock)
            if transport.interface is not None:
                address = transport.interface.take(sock, address)
            if transport.has_socket:
                try:
                    _check_address(transport.family, address)
                except PermissionError as exc:
                    if not self.ports.failed(exc, counts=False):  # where no other port is taken
                        raise
                self.give_up()
                await asyncio.sleep(0)  # for what was cancelled
            await self._bind(sock, address)
        except BaseException:  # an interrupt, too, must leave no socket behind
            sock.close()
            raise
        return sock

    async def _bind(self, sock: socket.socket, address: Any) -> None:
        for tries_left in reversed(range(BIND_TRIES)):
            try:
                bind_next(sock, address)
                return
            except OSError as exc:
                if not tries_left:
                    if not self.ports.failed(exc):
                        raise
                    sock.bind((address[0], 0, *address[2:]))
                    return
            await asyncio.sleep(BIND_PAUSE)


def _check_address(family: int, address: Any) -> None:
    """Raise OSError where the *address* is not there to be bound, whichever the port.

    Or where the port is one that this user may not have any more, as below 1024 on Linux.
    """
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.bind((address[0], 0, *address[2:]))
    if sys.platform != "win32":  # which says no to a port that somebody has, us for instance
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            try:
                trial.bind(address)
            except PermissionError:
                raise
            except OSError:  # it is ours still
                pass


def _keep_rest(transport: DatagramTransport) -> None:
    """Have the protocol hear what the old socket has received, and would take along."""
    rest = _rest(transport._sock)
    room = DRAINED - len(transport._kept)  # of a rebind just before
    transport.keep(list(itertools.islice(rest, room)))
    COUNTERS.dropped(TOO_MANY, sum(1 for _ in rest))


def _rest(sock: Any) -> Iterator[tuple[bytes, Any]]:
    until = time.perf_counter() + DRAINING
    for _ in range(COUNTED):
        if time.perf_counter() > until:
            return
        try:
            if sock.gettimeout() != 0:  # the program's own: it would keep the loop waiting
                sock.setblocking(False)
            yield sock.recvfrom(LARGEST_DATAGRAM)
        except (BlockingIOError, ValueError):
            return
        except OSError as exc:  # but for a dead handle, an ICMP error that waited in line
            if sock.fileno() == -1 or classify(exc) is ErrorClass.DEAD:
                return
