"""How a datagram transport of ours sends: at once where it can, else in order, errors or not."""

from __future__ import annotations

import collections
from asyncio import constants
from asyncio.log import logger as asyncio_logger
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._reporting import Reporting, SocketAddress
from tribler_udp_fix._asyncio._turns import DATAGRAMS

_FULL = "sent while rebinding, and the queue was full"
# The queue of a transport until it needs one: an empty deque takes more room than all the rest.
NOTHING: Any = ()


class Sending(Reporting):
    """Sends at once where nothing is queued and the socket takes it; queues what it does not take.

    How to wait until it takes more is the event loop's own way: ``_wait_to_send()``.

    ``lost`` counts the datagrams that were lost for want of a socket.
    """

    lost = 0
    _buffer_size = 0
    # Whether the socket may be asked at once.
    _direct = True
    # Whether it is full, and is waited for.
    _full = False
    # What asyncio counts for each queued datagram besides its bytes: since 3.13, so that empty ones
    # count too; and since then sendto(b"") sends an empty datagram, where it was a no-op before.
    _header_size = 0

    def get_write_buffer_size(self) -> int:
        """The bytes that wait."""
        return self._buffer_size

    def sendto(self, data: bytes | bytearray | memoryview, addr: SocketAddress = None) -> None:
        """Send *data*; raises TypeError where that is none, and as asyncio's for an address."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__}")
        if type(data) is memoryview and not data.c_contiguous:
            data = bytes(data)  # a socket takes none that is in pieces
        if self._address is not None:
            if addr not in (None, self._address):
                raise ValueError(f"Invalid address: must be None or {self._address}")
            addr = self._address
        if self._closing:
            self._send_after_close(data, addr)
        elif not data and not self._header_size:
            COUNTERS.dropped("empty, before Python 3.13")
        else:
            if self._buffer or self._gap is not None or not self._direct or self._full:
                self._queue(data, addr)
            elif not self._send_now(data, addr):
                self._wait_to_send(bytes(data), addr)
                self._maybe_pause_protocol()
            if self._awaits_bind:
                self._awaits_bind = False
                self._turns.enter(self)

    def _send_after_close(self, data: Any, addr: SocketAddress) -> None:
        """As asyncio's own: behind what is queued, else as long as the socket is open.

        One that is connected is closed as soon as nothing is queued.
        """
        if self._sock is not None and (data or self._header_size):
            is_open = self._address is None
            if self._buffer or self._full or (is_open and not self._direct):
                self._queue(data, addr)
                return
            if is_open and self._send_now(data, addr):
                return
        COUNTERS.dropped("sent after close")
        if self._conn_lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
            asyncio_logger.warning("socket.sendto() raised exception.")
        self._conn_lost += 1

    def _send_now(self, data: Any, addr: SocketAddress) -> bool:
        """Send one datagram, or tell the protocol why not; False where the socket is full."""
        sock = self._sock
        try:
            if sock.gettimeout() != 0:  # the program's own socket: it would keep the loop waiting
                sock.setblocking(False)
            if self._connected or addr is None:
                sock.send(data)
            else:
                sock.sendto(data, addr)
            if self.failing is not None:
                self.failing = None
        except (BlockingIOError, InterruptedError):
            return False
        except Exception as exc:  # of whatever somebody takes for an address
            self._send_failed(exc)
        return True

    def _queue(self, data: bytes | bytearray | memoryview, addr: SocketAddress) -> None:
        # A copy: whoever sends may reuse a bytearray as soon as this returns.
        data = bytes(data)
        gap = self._gap
        if gap is not None:
            if not gap.limit:
                self._lose_one("sent before there was a socket" if gap.first else _FULL)
                return
            while len(self._buffer) >= gap.limit:
                self._lose_oldest(_FULL)
        if self._buffer is NOTHING:
            self._buffer = collections.deque()
        self._buffer.append((data, addr, perf_counter()))
        self._buffer_size += len(data) + self._header_size
        if len(self._buffer) == 1:
            self._send_on()
        self._maybe_pause_protocol()

    def _lose_oldest(self, why: str) -> None:
        data, *_ = self._buffer.popleft()
        self._buffer_size -= len(data) + self._header_size
        self._lose_one(why)

    def _lose_one(self, why: str) -> None:
        self.lost += 1
        COUNTERS.dropped(why)

    def _send_on(self) -> None:
        """Send what is queued, until the socket is full or the turn's share is used up."""
        try:
            for _ in range(DATAGRAMS):
                if not self._buffer or self._gap is not None or self._full:
                    break
                data, addr, _ = self._buffer.popleft()
                self._buffer_size -= len(data) + self._header_size
                if not (self._direct and self._send_now(data, addr)):
                    self._wait_to_send(data, addr)
        finally:
            # Its share of the turn is over, or error_received() ends the program.
            if self._buffer and self._gap is None and not self._full:
                self._loop.call_soon(self._send_on)
        if self._called_connection_lost:
            return
        self._maybe_resume_protocol()
        if self._closing and not self._buffer and not self._full:
            self._loop.call_soon(self._call_connection_lost, None)

    def _put_back(self, data: bytes, addr: SocketAddress) -> None:
        """Queue again, before all others, what has not left."""
        if self._buffer is NOTHING:
            self._buffer = collections.deque()
        self._buffer.appendleft((data, addr, perf_counter()))
        self._buffer_size += len(data) + self._header_size

    def _drop_queue(self, why: str) -> None:
        COUNTERS.dropped(why, len(self._buffer))
        self._buffer = NOTHING
        self._buffer_size = 0

    def _wait_to_send(self, data: bytes, addr: SocketAddress) -> None:
        """Send *data* as soon as the full socket takes it, and then have ``_send_on()`` called."""
        raise NotImplementedError

    def _stop_sending(self) -> None:
        """Wait no more for the full socket; what it has not taken goes back into the queue."""
        raise NotImplementedError

    if TYPE_CHECKING:

        def _call_connection_lost(self, exc: BaseException | None) -> None: ...
        def _maybe_pause_protocol(self) -> None: ...
        def _maybe_resume_protocol(self) -> None: ...


def header_size(stock: Any) -> int:
    """The bytes that asyncio's own transport, of the class *stock*, counts for a queued datagram.

    Besides the datagram's own: 8 since 3.13, where the class says so only since 3.13.6; 0 before.
    """
    said: int | None = getattr(stock, "_header_size", None)
    if said is not None:
        return said
    code = getattr(stock.sendto, "__code__", None)
    return 8 if code is not None and 8 in code.co_consts else 0
