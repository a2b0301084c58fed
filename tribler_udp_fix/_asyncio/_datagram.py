"""The datagram transport that asyncio should have had, on whichever of its two event loops.

Its behaviour is SelectorEventLoop's: ``error_received()`` once for each error, and both reading and
sending go on. It is one object for as long as its program holds it: its socket can be taken from
under it and be replaced, while what is sent waits.
"""

from __future__ import annotations

import contextlib
import contextvars
import enum
import logging
import math
import socket
import time
import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._gap import Gap
from tribler_udp_fix._asyncio._receiving import Receiving
from tribler_udp_fix._asyncio._sending import NOTHING, Sending
from tribler_udp_fix._asyncio._socket_view import SocketView
from tribler_udp_fix._asyncio._sockets import SocketOption, give_up, open_options
from tribler_udp_fix._asyncio._turns import turns_of

if TYPE_CHECKING:
    from tribler_udp_fix._asyncio._interfaces import Interface

logger = logging.getLogger("tribler_udp_fix")

# By family, where the first send will bind a socket that is not bound.
_UNBOUND: Mapping[int, Any] = {socket.AF_INET: ("0.0.0.0", 0), socket.AF_INET6: ("::", 0)}


class Maker(enum.Enum):
    """Who made a transport's first socket, and thereby why it is not replaced by a like one."""

    ASYNCIO = ""
    PROGRAM = "its program made the socket itself"
    UNKNOWN = "it is not known who made its socket, for instance because that was before install()"


class DatagramTransport(Receiving, Sending):
    """What both event loops' transports have in common: how they begin, end, and go on."""

    # Whether asyncio made its socket, and so the next one is to be made alike; or else who did.
    maker = Maker.ASYNCIO
    # Of its addresses.
    family = 0
    # What its sockets keep to, whichever address that has.
    interface: Interface | None = None
    # Whether it has begun to read, which it does in a turn after it was made.
    _begun = False
    # How often it was given another socket.
    sockets = 0
    # What its next socket is to have, as its last one had it when that could be asked.
    options: Sequence[SocketOption] = ()
    # What its program has set on its sockets, by (level, option).
    program_options: Mapping[Any, tuple[Any, ...]] = MappingProxyType({})

    def __init__(
        self,
        loop: Any,
        sock: socket.socket,
        protocol: Any,
        error_budget: int,
        fast_path: bool,
        *args: Any,
    ) -> None:
        self._set_up(loop, error_budget, fast_path)
        super().__init__(loop, sock, protocol, *args)  # type: ignore[call-arg]
        self._take(sock)

    def _set_up(self, loop: Any, error_budget: int, fast_path: bool) -> None:
        self._loop = loop
        self._turns = turns_of(loop)
        self._own_context = contextvars.copy_context()
        self._errors_a_second = error_budget
        self._fast = fast_path

    def _take(self, sock: socket.socket) -> None:
        """Have *sock* as its socket; what asyncio says of it follows."""
        self._sock = sock
        self.family = sock.family
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            self._largest = self.max_size  # not UDP's
        if not self._buffer:
            self._buffer = NOTHING
        self._extra["socket"] = SocketView(sock, self.program_options)
        self._connected = self._extra.get("peername") is not None

    @property
    def has_socket(self) -> bool:
        """Whether it has one that nobody has given up."""
        return self._gap is None and not self._closing

    @property
    def why_not_replaced(self) -> str:
        """Why its socket is not to be replaced by a like one, or ""."""
        if self._connected:
            return "it is connected"
        if self.maker is not Maker.ASYNCIO:
            return str(self.maker.value)
        if getattr(self._extra.get("socket"), "joined", False):
            return "its socket has joined multicast groups"
        return ""

    def suspend(self, limit: int, age: float = math.inf) -> None:
        """Give up the socket: what is sent waits, until ``resume()``.

        At most *limit* datagrams do, the newest, and none for more than *age* seconds. One that has
        ended lives again by this.
        """
        if self._gap is not None and not self._closing:
            return
        address, sock = self._sockname(), self._sock
        self.remember_options()
        if sock is not None:
            self._stop_reading()
            self._stop_sending()
            self._forget_failed()
        self._closing = self._called_connection_lost = False
        self._conn_lost = 0
        self._enter_gap(limit, age, address)
        while len(self._buffer) > limit:
            self._lose_oldest("queued before rebinding, and too many")
        if sock is not None:
            give_up(sock)

    def _enter_gap(self, limit: int, age: float, address: Any, first: bool = False) -> None:
        self._gap = Gap(limit, age, self.family, address, self.lost, first)
        self._extra["socket"] = self._gap
        self._sock = None

    def set_options(self, sock: socket.socket) -> None:
        """Set on *sock*, which is to be its next one, what its program has set on the others.

        Raises OSError where it cannot be set any more, and it has a socket that has it.
        """
        for option in self.program_options.values():
            try:
                sock.setsockopt(*option)
            except OSError as exc:
                if self.has_socket:
                    raise
                logger.warning("%r: its next socket lacks the option %r: %s", self, option, exc)

    def remember_options(self) -> None:
        """Find out what its next socket is to have, before this one cannot be asked any more."""
        view = self._extra.get("socket")
        self.program_options = getattr(view, "options", self.program_options)
        with contextlib.suppress(OSError, AttributeError):  # a dead handle, or none
            self.options = open_options(self._sock)

    def begin_without(self, family: int, address: Any, options: list[SocketOption]) -> None:
        """Give up the socket that it was made with, for one that cannot be had yet.

        That shall be of *family*, at *address*, with *options*. Until ``resume()`` what is sent is
        counted, and dropped.
        """
        self.suspend(0)
        self.family, self.options = family, options
        self._enter_gap(0, math.inf, address, first=True)
        self._extra["sockname"] = address
        self._awaits_bind = False

    def resume(self, sock: socket.socket) -> int:
        """Go on with *sock*; returns how many datagrams waited, which leave first."""
        gap = self._gap
        assert gap is not None
        assert not self._closing
        oldest = time.perf_counter() - gap.age
        while self._buffer and max(gap.since, self._buffer[0][2]) < oldest:
            self._lose_oldest("waited too long for a socket")
        waited = len(self._buffer)
        self._gap = None
        self._extra["sockname"] = sock.getsockname()
        self._take(sock)
        self.sockets += 1
        self._awaits_bind = False
        self._looks = True
        self._turns.enter(self)
        self._send_on()
        return waited

    def _sockname(self) -> Any:
        try:
            return self.get_extra_info("socket").getsockname()
        except OSError:  # a dead handle, or none; where it was is still known
            return self._extra.get("sockname") or _UNBOUND.get(self.family)

    def close(self) -> None:
        """Stop to receive, send what is queued, then call ``connection_lost(None)``."""
        if self._closing:
            return
        self._begin_to_close()
        if not self._buffer and not self._full:
            self._loop.call_soon(self._call_connection_lost, None)

    def _force_close(self, exc: BaseException | None) -> None:
        if self._called_connection_lost:
            return
        self._begin_to_close()
        self._stop_sending()
        self._drop_queue("queued at abort")
        self._loop.call_soon(self._call_connection_lost, exc)

    def _begin_to_close(self) -> None:
        self._closing = True
        self._conn_lost += 1
        COUNTERS.dropped("received before rebinding, and the endpoint closed", len(self._kept))
        self._kept = ()
        if self._gap is None:
            self._stop_reading()
            return
        self.lost += len(self._buffer)
        self._drop_queue("queued while rebinding, and the endpoint closed")

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        if self._called_connection_lost or not self._closing:
            return
        self._called_connection_lost = True
        try:
            self._protocol.connection_lost(exc)
        finally:
            sock, self._sock = self._sock, None
            if sock is not None:
                # On a handle that is dead already, Python 3.8 fails here and never closes.
                with contextlib.suppress(OSError):
                    sock.close()
            self._is_kept()

    def __del__(self, _warn: Any = warnings.warn) -> None:
        # Not asyncio's own, which on Python 3.8 and 3.9 calls close(): the loop may be closed.
        if self._sock is not None:
            _warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self._sock.close()
