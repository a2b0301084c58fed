"""What stands in for the socket of a transport that has none for now."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any


class Gap:
    """The time without a socket: what is sent waits, at most *limit* datagrams for *age* seconds.

    The oldest makes way for the newest, for an answer that comes late is no answer.

    It answers for a socket of that *family* and for its *address*, as it was and shall be again.
    ``since`` is when it began, by ``time.perf_counter()``, ``lost_before`` how many datagrams the
    transport had lost by then. ``first`` says that there never was a socket: then nothing is worth
    keeping.
    """

    type = socket.SOCK_DGRAM
    proto = 0

    def __init__(
        self, limit: int, age: float, family: int, address: Any, lost_before: int, first: bool
    ) -> None:
        self.limit = limit
        self.age = age
        self.family = family
        self._address = address
        self.lost_before = lost_before
        self.first = first
        self.since = time.perf_counter()

    def getsockname(self) -> Any:
        """The address that the transport was bound to."""
        return self._address

    def fileno(self) -> int:
        """-1, as that of a socket that is closed."""
        return -1

    def _is_closed(self, *_: Any) -> Any:
        raise OSError(errno.EBADF, "there is no socket for now")

    getpeername = getsockopt = setsockopt = _is_closed
