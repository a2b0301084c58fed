"""What stands in for the transport of an endpoint that has no socket."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from typing import Any

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._ipv8._binding import SocketOption


class Gap(asyncio.DatagramTransport):
    """Keeps what is sent while an endpoint has no socket, up to *limit* datagrams, in order.

    An endpoint whose ``_transport`` this is still counts as open: its communities send, ask for
    its address and close it as ever, and meet no EndpointClosedException. *options* are those of
    the socket that it had, for the next one.
    """

    def __init__(self, address: Any, limit: int, options: list[SocketOption]) -> None:
        super().__init__({"sockname": address, "peername": None, "socket": _Bound(address)})
        self.queue: collections.deque[tuple[bytes, Any]] = collections.deque()
        self.since = time.perf_counter()
        self.options = options
        self.lost = 0
        self._limit = limit
        self._closing = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Queue a datagram; one that does not fit is counted as dropped."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__}")
        if self._closing:
            COUNTERS.dropped("sent after close")
        elif len(self.queue) < self._limit:
            self.queue.append((bytes(data), addr))
        else:
            self.lose("sent while rebinding, and the queue was full")

    def take_over(self, transport: Any) -> None:
        """Take what *transport*, which is to be aborted, has not sent yet."""
        with contextlib.suppress(AttributeError, TypeError, ValueError):  # not asyncio's own
            # A copy of each entry: since 3.13.16 they may have more than the two fields.
            for data, addr, *_ in list(transport._buffer):
                self.sendto(data, addr)
            transport._buffer.clear()
            transport._buffer_size = 0

    def hand_over(self, transport: asyncio.DatagramTransport) -> int:
        """Send what has been queued through *transport*, in order; returns how many that were."""
        sent = 0
        while self.queue:
            data, addr = self.queue.popleft()
            try:
                transport.sendto(data, addr)
            except Exception:  # an address that no transport takes: as lost as if sent in time
                self.lose("queued while rebinding, and refused")
            else:
                sent += 1
        return sent

    def drop(self) -> None:
        """Count what is queued as lost: there will be no socket for it."""
        self.lose("queued while rebinding, and the endpoint closed", len(self.queue))
        self.queue.clear()

    def lose(self, why: str, datagrams: int = 1) -> None:
        """Count *datagrams* as lost for the reason *why*."""
        self.lost += datagrams
        COUNTERS.dropped(why, datagrams)

    def is_closing(self) -> bool:
        """Whether the endpoint has been closed in the meantime."""
        return self._closing

    def close(self) -> None:
        """The endpoint's owner closes it: there is no socket to close, but one less to make."""
        if not self._closing:
            self._closing = True
            self.drop()

    abort = close

    def get_write_buffer_size(self) -> int:
        """The bytes that wait."""
        return sum(len(data) for data, _ in self.queue)


class _Bound:
    """Answers for the socket's address, as it was and shall be again."""

    def __init__(self, address: Any) -> None:
        self._address = address

    def getsockname(self) -> Any:
        return self._address

    def fileno(self) -> int:
        return -1
