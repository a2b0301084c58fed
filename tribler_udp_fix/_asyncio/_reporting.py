"""What both halves of the repaired datagram transport share: the stock class and its protocol."""

from __future__ import annotations

import asyncio
import collections
import sys
from asyncio import proactor_events
from typing import Any

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._errors import normalise

_Stock: Any = proactor_events._ProactorDatagramTransport  # type: ignore[attr-defined]

SocketAddress = Any

# The work of one transport in one turn of the loop, in datagrams and in seconds: then others have
# theirs. The time is a third of what Windows' own timers may be late, 15.6 ms: a transport takes
# some 20 microseconds for a datagram, but a protocol as long as it likes.
TURN_DATAGRAMS = 128
TURN_SECONDS = 0.005


class Reporting(_Stock):  # type: ignore[misc]
    """Tells the protocol of an error."""

    # What the stock class keeps and both halves use.
    _address: SocketAddress
    _buffer: collections.deque[tuple[bytes, SocketAddress]]
    _closing: bool
    _conn_lost: int
    _loop: Any
    _protocol: Any
    _read_fut: asyncio.Future[Any] | None
    _sock: Any
    _write_fut: asyncio.Future[Any] | None
    max_size: int

    # The setting fast_path.
    _fast = True
    # Whether the socket has just said that it is full, and need not be asked again.
    _refused = False

    def _report(self, exc: OSError) -> None:
        """Call ``error_received()``; what that raises is not the socket's fault."""
        try:
            self._protocol.error_received(normalise(exc))
        except Exception as raised:  # the protocol's own, which asyncio's handler is told
            self._loop.call_exception_handler(
                {
                    "message": "error_received() raised an exception",
                    "exception": raised,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )

    def _unsent(self, exc: Exception) -> bool:
        """Tell the protocol why a datagram was not sent; False where the socket was full."""
        if isinstance(exc, BlockingIOError):
            self._refused = True
            return False
        if isinstance(exc, OSError):
            self._send_failed(exc)
        else:
            COUNTERS.dropped("send failed")
            self._fatal_error(exc, "Fatal write error on datagram transport")
        return True

    def _send_failed(self, exc: OSError) -> None:
        COUNTERS.error("send", exc)
        COUNTERS.dropped("send failed")
        self._report(exc)
