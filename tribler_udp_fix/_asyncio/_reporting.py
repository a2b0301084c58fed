"""What a datagram transport of ours is made of, and how it tells its protocol of an error."""

from __future__ import annotations

import collections
import contextvars
import errno
import sys
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Mapping

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._errors import normalise, number_of

if TYPE_CHECKING:
    from tribler_udp_fix._asyncio._gap import Gap
    from tribler_udp_fix._asyncio._turns import Turns

SocketAddress = Any

_INVALID = 10022 if sys.platform == "win32" else errno.EINVAL  # WSAEINVAL


# Not a peer's doing: a firewall, no network, no way to there, no room in the system.
_NOBODY_LEAVES = frozenset(
    (
        *(10013, 10050, 10051, 10055, 10065),
        *(errno.EACCES, errno.EPERM, errno.ENETDOWN, errno.ENETUNREACH),
        *(errno.ENOBUFS, errno.EHOSTUNREACH),
    )
)


class Failing:
    """The time in which every send has failed."""

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.count = 0
        self.number = 0  # of the last error, and in words
        self.why = ""


class Reporting:
    """The state that receiving, sending and rebinding share; all of it may be asyncio's own.

    Mixed into a subclass of asyncio's own transport, which gives it the rest. Every attribute has a
    default here, so that an object of asyncio's class can become one of ours where it stands.
    """

    # What asyncio's class keeps.
    _address: SocketAddress
    _buffer: collections.deque[Any]  # data, address, and since when, by perf_counter()
    _closing: bool
    _conn_lost: int
    _extra: dict[str, Any]
    _loop: Any
    _protocol: Any
    _sock: Any
    max_size: int

    # Those of its event loop.
    _turns: Turns

    # The setting fast_path.
    _fast = True
    # In which its program made it, and its protocol is called; asyncio's _context is another.
    _own_context: contextvars.Context
    # Whether its program has paused it, as asyncio's selector transports can be since 3.12.
    _paused = False
    # While it has no socket.
    _gap: Gap | None = None
    # Whether asyncio's sendto() or ours goes by the socket's own peer.
    _connected = False
    # The socket was never bound, and Windows receives nothing before the first send binds it.
    _awaits_bind = False
    _called_connection_lost = False
    # How many of each number the protocol was told of.
    errors: Mapping[int, int] = MappingProxyType({})
    # Since when no datagram has left; None while they do.
    failing: Failing | None = None
    # Who may rather give it another socket than let it end: asked when its socket has died.
    keepers: tuple[Callable[[], bool], ...] = ()

    def _report(self, exc: OSError, number: int) -> None:
        """Call ``error_received()``; what that raises is not the socket's fault."""
        self.errors = {**self.errors, number: self.errors.get(number, 0) + 1}
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

    def _send_failed(self, exc: Exception) -> None:
        """One datagram was not sent: it is counted, and the endpoint lives."""
        if not isinstance(exc, OSError):  # an address that is none, such as port 70000
            exc = invalid_address(exc)
        number = number_of(exc)
        COUNTERS.error_number("send", number)
        if number in _NOBODY_LEAVES:
            self.failing = self.failing or Failing()
            self.failing.count += 1
            self.failing.number = number
            self.failing.why = str(exc)
        COUNTERS.dropped("send failed")
        self._report(exc, number)

    def _lose(self, exc: OSError) -> None:
        """The socket is dead."""
        if not self._is_kept():
            self._force_close(normalise(exc))

    def _is_kept(self) -> bool:
        kept = [keep() for keep in self.keepers]  # each of them is told
        return any(kept)

    if TYPE_CHECKING:

        def _force_close(self, exc: BaseException | None) -> None: ...
        def _fatal_error(self, exc: BaseException, message: str = ...) -> None: ...
        def abort(self) -> None: ...
        def is_closing(self) -> bool: ...
        def get_extra_info(self, name: str, default: Any = ...) -> Any: ...


def invalid_address(cause: Exception) -> OSError:
    """What the protocol is told where a socket takes something for no address at all."""
    text = f"{type(cause).__name__}: {cause}"
    exc = OSError(0, text, None, _INVALID) if sys.platform == "win32" else OSError(_INVALID, text)
    exc.__cause__ = cause
    return exc
