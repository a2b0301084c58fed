"""A datagram transport of asyncio's, as the watchdog sees it."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket as sockets
from functools import partial
from typing import Any, Callable, Sequence

from tribler_udp_fix._asyncio._datagram import DatagramTransport
from tribler_udp_fix._asyncio._icmp_errors import prevent_icmp_errors
from tribler_udp_fix._asyncio._interfaces import Interface
from tribler_udp_fix._asyncio._obstacles import MakeSocket, in_words, obstacle
from tribler_udp_fix._asyncio._ports import PortChange
from tribler_udp_fix._asyncio._rebinding import Rebinder
from tribler_udp_fix._asyncio._rebound import EndpointGone, Rebound
from tribler_udp_fix._asyncio._reporting import Failing
from tribler_udp_fix._asyncio._sockets import (
    SocketOption,
    hears_a_device_alone,
    new_socket,
    shares_port,
)
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._leaf import Leaf
from tribler_udp_fix._watchdog._probe import Prober, ProbeSender, TransportProber


class _Nothing(DatagramTransport):
    """What an endpoint has that its owner has not opened: no transport."""

    _closing = True
    _sock = None

    def __init__(self) -> None:
        self._extra = {}

    def is_closing(self) -> bool:
        return True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        raise OSError(errno.EBADF, f"it is not open, and has no {name} but {default!r}")


NOTHING = _Nothing()

logger = logging.getLogger("tribler_udp_fix.watchdog")

SHARED = "others may have its port as well, and get what is sent there"


class TransportLeaf(Leaf):
    """One transport of ours.

    *make_socket*, if given, returns the next socket, unbound: for a transport whose socket the
    program made, and alone knows how to make. *interface* is what its sockets shall keep to.
    """

    ends = True
    has_peers = False

    def __init__(
        self,
        transport: DatagramTransport,
        settings: Settings,
        make_socket: MakeSocket | None = None,
        interface: Interface | None = None,
    ) -> None:
        self.endpoint: Any = transport
        self._interface = interface
        self._settings = settings
        self._make_socket = make_socket
        self._known: DatagramTransport = NOTHING
        self._rebinder: Rebinder  # of the transport that is known
        self._lost: Callable[[], None] | None = None
        self._lost_before = 0
        self._wait: Any = None  # by which it waited when it was fine
        self._located: Any = None  # the socket that has this address
        self._address: Any = None
        self._asked: Any = None  # the socket of which is known whether it
        self._shares = False

    @property
    def kind(self) -> str:
        """The class of its protocol."""
        return type(self.endpoint.get_protocol()).__name__

    @property
    def is_connected(self) -> bool:
        """Whether it hears one peer alone, so that no probe reaches it."""
        return bool(self._known._connected)

    def why_not(self) -> str:
        """Why it is not given another socket, or ""."""
        if self._make_socket is not None and not self._transport()._connected:
            return ""
        why = self._transport().why_not_replaced or (SHARED if self._shares_port() else "")
        if why and self.ends and not self._transport()._connected:  # its program can say how
            why += "; allowed where Watchdog(transport, make_socket=function) makes the next one"
        return why

    def _shares_port(self) -> bool:
        sock = self._transport()._sock
        if sock is not None and sock is not self._asked:
            self._asked, self._shares = sock, shares_port(sock)
        return self._shares

    def is_open(self) -> bool:
        """Whether its owner has it open."""
        return not self._transport().is_closing()

    def is_bound(self) -> bool:
        """Whether it has a socket that nobody has given up."""
        return self._transport().has_socket

    def has_socket(self) -> bool:
        """The same of one that is open, as far as is known: asked by any thread."""
        return self._known.has_socket

    def address(self, asking: bool = True) -> Any:
        """The address that it is bound to; raises OSError on a dead handle."""
        transport = self._transport()
        if transport._awaits_bind:
            return transport._sockname()
        known = self._address is not None and self._located is transport._sock
        if asking or not (known and self._address[1]):  # a send may have bound it to a port
            self._address = transport.get_extra_info("socket").getsockname()
            self._located = transport._sock
        return self._address

    def obstacle(self, *, counts: bool = True) -> str:
        """Why it cannot be bound where it is, in words, or ""."""
        transport = self._transport()
        address, bound = transport._sockname(), transport.has_socket
        if transport._connected or address is None or not (bound or self.rebinds):
            return ""
        make: MakeSocket = partial(self._next_socket, transport.family, transport.options)
        if bound:
            make = partial(sockets.socket, transport.family, sockets.SOCK_DGRAM)
        port = 0 if bound else address[1]
        exc = obstacle(make, transport.family, address, port, transport.interface)
        if exc is None or (not bound and self._rebinder.ports.failed(exc, counts)):
            return ""
        return in_words(exc, address)

    @property
    def interface(self) -> str:
        """The interface, by its name, whose addresses it follows; "" for none."""
        kept_to = self._known.interface
        return kept_to.name if kept_to is not None else ""

    def is_elsewhere(self) -> bool:
        """Whether its socket is not where its interface is now."""
        transport = self._transport()
        kept_to = transport.interface
        return (
            kept_to is not None
            and transport.has_socket
            and self.rebinds
            and not kept_to.keeps(transport._sock)
        )

    def heard(self) -> int:
        """How many datagrams its protocol was handed."""
        return self._transport().heard

    def heard_bytes(self) -> int:
        """The bytes of these."""
        return self._known.heard_bytes  # asked by any thread, as errors() is

    def socket(self) -> Any:
        """Its socket."""
        return self._transport()._sock

    def reading(self) -> bool:
        """Whether it waits for a datagram, or is sure to look for one."""
        transport = self._transport()
        return transport.reading or not transport.has_socket

    def errors(self) -> dict[int, int]:
        """How many errors of each number its protocol was told of."""
        return dict(self._known.errors)

    def failing(self) -> Failing | None:
        """Since when every send has failed, how many did, and why; or None."""
        return self._known.failing

    def is_fine(self, sock: Any) -> bool:
        """Whether it is open, *sock* is its socket, and it reads; asked twice a second."""
        known = self._known
        self._wait = known._read_fut
        reads = known._sock is sock and known.reading
        return reads and known is self._current() and self.is_open()

    def is_undisturbed(self) -> bool:
        """Whether it still waits by the same receive: then it heard nothing, nor was it closed."""
        known, wait = self._known, self._wait
        return (
            wait is not None
            and known._read_fut is wait
            and not wait.done()
            and known.failing is None
        )

    def is_behind(self) -> bool:
        """Whether it waits for its share of the loop, with something to read, or to hear."""
        known = self._known
        return known is not NOTHING and (known in known._turns or bool(known._kept))

    def rearm(self) -> bool:
        """Make it read again in place; whether there was anything to do."""
        transport = self._transport()
        if not transport.has_socket:
            return False
        try:
            transport.rearm()
        except Exception:  # a handle that is closed, or the like: then it takes another socket
            logger.warning("%r cannot be made to read again", transport, exc_info=True)
            return False
        return True

    async def rebind(self) -> Rebound:
        """Give it another socket; raises what ``Rebinder.rebind()`` raises."""
        transport = self._transport()
        done = await self._rebinder.rebind()
        if transport is not self._transport():
            raise EndpointGone
        return done

    def prober(self, sender: ProbeSender, answered: Callable[[], None]) -> Prober:
        """What makes its probes, which its transport meets before the protocol."""
        return TransportProber(self._transport, sender, answered, self._why_no_probe, self.rearm)

    def _why_no_probe(self, address: Any) -> str:
        """Why no probe is sure to reach it, bound to *address*, and nobody else; or ""."""
        if self._transport()._connected:
            return "it is connected, and hears its peer alone"
        if self._shares_port():
            return SHARED
        if _is_multicast(str(address[0])):
            return "it is bound to a multicast group, whose members are others as well"
        if hears_a_device_alone(self.socket()):
            return "its program has bound it to a device"
        return ""

    def attach(self, lost: Callable[[], None]) -> None:
        """Have a socket that dies given up at once, its sends waiting, and *lost* called."""
        self._transport()  # whose socket it is to give up itself, without calling anybody
        self._lost = lost
        self._keep_to_interface()

    def _keep_to_interface(self) -> bool:
        """Have it keep to the interface; whether its socket, which does not, was given up."""
        transport, interface = self._known, self._interface
        if transport is NOTHING or interface is None:
            return False
        before, transport.interface = transport.interface, interface
        same = before is not None and before.name == interface.name
        if not transport.has_socket or (same and interface.has(transport._sock)):
            return False
        self._rebinder.give_up()  # at once: nothing more may leave by another interface
        return True

    def detach(self) -> None:
        """Leave it to itself. Without a socket, which nobody will give it, it is closed."""
        self._lost = None
        transport = self._known
        self._leave(transport)
        gap = transport._gap is not None and not transport.is_closing()
        if gap and not transport._is_kept():  # by another watchdog, which will rebind it
            self._abandon(transport)

    def _abandon(self, transport: DatagramTransport) -> None:
        """Leave *transport*, which has no socket."""
        transport.abort()

    @property
    def lost(self) -> int:
        """Datagrams lost so far for want of a socket."""
        return self._lost_before + self._known.lost

    def _current(self) -> Any:
        """The transport that its owner has now."""
        return self.endpoint

    def _transport(self) -> DatagramTransport:
        current = self._current()
        if current is not self._known:
            self._lost_before += self._known.lost
            self._leave(self._known)
            self._known = NOTHING
            self._enter(current)
        return self._known

    def _enter(self, transport: DatagramTransport) -> None:
        self._known = transport
        ports = PortChange(self._port_failures)
        self._rebinder = Rebinder(transport, self._settings, ports, self._next_socket)
        transport.keepers += (self._keep,)
        # Not before: where the watchdog is refused, it is left as it is.
        if self._lost is not None and self._keep_to_interface():
            transport._loop.call_soon(self._lost)

    @property
    def _port_failures(self) -> float:
        # Nobody would know of another port, but where the program counts with that.
        return float("inf") if self._settings.port_failures else 0.0

    def _leave(self, transport: DatagramTransport) -> None:
        transport.keepers = tuple(each for each in transport.keepers if each != self._keep)

    def _keep(self) -> bool:
        """The transport's socket has died: whether it gets another one."""
        if self._lost is None or not self._is_wanted():
            return False
        self._rebinder.suspend()
        self._transport()._loop.call_soon(self._lost)
        return True

    def _is_wanted(self) -> bool:
        return self.rebinds and self.is_open()

    def _next_socket(self, family: int, options: Sequence[SocketOption]) -> sockets.socket:
        if self._make_socket is not None:
            sock = self._make_socket()
            fault = _fault_of(sock, family)
            if fault:  # before anything is closed; and it is not closed, for it may be the old one
                allowed = f"an open UDP socket of {sockets.AddressFamily(family).name}, not bound"
                raise ValueError(f"make_socket() returned {fault}: allowed is {allowed}")
            sock.setblocking(False)
            return sock
        sock = new_socket(family, options)
        if self._settings.prevent_icmp_errors:
            prevent_icmp_errors(sock)
        return sock


def _fault_of(made: Any, family: int) -> str:
    """What *made* is that no next socket of that *family* can be, or ""."""
    if not isinstance(made, sockets.socket):
        return repr(made)
    if made.fileno() == -1:
        return "a socket that is closed"
    if made.type != sockets.SOCK_DGRAM or made.family != family:
        return f"one of {made.family.name}, {made.type.name}"
    try:
        port = made.getsockname()[1]
    except OSError:  # what Windows says of one that is not bound
        port = 0
    return f"one that is bound to port {port}" if port else ""


def _is_multicast(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_multicast
