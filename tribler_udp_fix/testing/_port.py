"""A port that somebody else has taken."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from typing import Any, Iterator

from tribler_udp_fix.testing._seam import Call, hooked
from tribler_udp_fix.testing._targets import transports_of

# Seconds, at most, until the system is done with a socket whose receive was cancelled.
_PATIENCE = 1.0


class TakenPort:
    """What ``taken_port()`` yields.

    address: the address that is, or is to be, taken. ``taken``: whether somebody else has it now.
    """

    def __init__(self, sock: Any) -> None:
        self.address: Any = sock.getsockname()
        self._family = sock.family
        self._theirs: socket.socket | None = None
        self._released = False

    @property
    def taken(self) -> bool:
        """Whether somebody else's socket has the address now."""
        return self._theirs is not None

    def release(self) -> None:
        """Let whoever wants it have the address; calling it twice does nothing more."""
        self._released = True
        if self._theirs is not None:
            self._theirs.close()
            self._theirs = None

    def _take(self) -> None:
        if self._released or self.taken:
            return
        deadline = time.monotonic() + _PATIENCE
        while True:
            sock = socket.socket(self._family, socket.SOCK_DGRAM)
            try:
                if sys.platform == "win32":  # or a socket with SO_REUSEADDR would share it
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
                elif self._family == socket.AF_INET6:
                    # As IPv8's: or it would be in the way of IPv4, too.
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(self.address)
            except OSError:
                sock.close()
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.001)
            else:
                self._theirs = sock
                return


@contextlib.contextmanager
def taken_port(endpoint: Any) -> Iterator[Any]:
    """Somebody else's socket takes the port of *endpoint* as soon as its own is closed.

    It is a real socket, bound between the end of the old one and whatever is bound next, so that a
    rebind fails for a real reason, as does ``open()`` after ``close()``. Until then *endpoint*
    hears and sends as ever. On every event loop of asyncio's and every system.

    Yields a ``TakenPort``, whose ``release()`` gives the port up again, and so does the end; for
    several endpoints behind one Dispatcher, a tuple of them.

    *endpoint* is one of IPv8's, or a datagram transport of asyncio's.

    Raises FaultUnavailable where that is not possible.
    """
    handles = []
    with contextlib.ExitStack() as stack:
        for transport in transports_of(endpoint):
            handle = TakenPort(transport._sock)
            handles.append(handle)
            stack.callback(handle.release)
            stack.enter_context(hooked(transport, close=_closing(handle)))
        yield handles[0] if len(handles) == 1 else tuple(handles)


def _closing(handle: TakenPort) -> Any:
    def close(close_socket: Call) -> None:
        close_socket()
        handle._take()

    return close
