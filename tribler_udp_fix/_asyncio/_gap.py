"""What stands in for the socket of a transport that has none for now."""

from __future__ import annotations

import collections
import errno
import socket
import time
from typing import Any

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._sockets import SocketOption, known_options


class Gap:
    """The time without a socket: what is sent waits, at most *limit* datagrams for *age* seconds.

    The oldest makes way for the newest, for an answer that comes late is no answer. What is lost is
    counted. ``waiting`` says since when each datagram in the transport's queue waits.

    It answers for the socket's address as it was, and shall be again. ``since`` is when it began,
    by ``time.perf_counter()``, ``lost`` how many datagrams it has cost, ``options`` are those of
    the socket that was, or None where that could not be asked any more. ``first`` says that there
    never was one: then nothing is worth keeping.
    """

    def __init__(self, limit: int, age: float, address: Any, sock: Any) -> None:
        self.limit = limit
        self._age = age
        self.waiting: collections.deque[float] = collections.deque()
        self.options = known_options(sock)
        self.first = False
        self.lost = 0
        self.since = time.perf_counter()
        self._address = address
        # As get_extra_info("socket") is asked for them.
        self.family, self.type, self.proto = _kind_of(sock)

    def stand_for(self, family: int, address: Any, options: list[SocketOption]) -> None:
        """Stand for a socket that has not been yet: of *family*, at *address*, with *options*."""
        self.first = True
        self.family = family
        self.limit = 0
        self.options = options
        self._address = address

    def is_too_old(self) -> bool:
        """Whether the oldest datagram in the queue, which then has none, waits for too long."""
        return bool(self.waiting) and time.perf_counter() - self.waiting[0] > self._age

    def lose(self, why: str, datagrams: int = 1) -> None:
        """Count *datagrams* as lost for the reason *why*."""
        self.lost += datagrams
        COUNTERS.dropped(why, datagrams)

    def getsockname(self) -> Any:
        """The address that the transport was bound to."""
        return self._address

    def fileno(self) -> int:
        """-1, as that of a socket that is closed."""
        return -1

    def _is_closed(self, *_: Any) -> Any:
        raise OSError(errno.EBADF, "there is no socket for now")

    getpeername = getsockopt = setsockopt = _is_closed


def _kind_of(sock: Any) -> tuple[int, int, int]:
    return (
        getattr(sock, "family", socket.AF_UNSPEC),
        getattr(sock, "type", socket.SOCK_DGRAM),
        getattr(sock, "proto", 0),
    )
