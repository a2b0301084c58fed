"""Injures the pair of sockets by which threads and signals wake an event loop.

Every context manager takes one of asyncio's own loops, is entered and left on the loop's thread,
in a callback or while the loop does not run, and raises UnknownLoop for any other loop. It leaves
a sound loop behind, whoever mended it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import sys
from typing import Any, Iterator

from tribler_udp_fix._asyncio._wakeup import (
    UnknownLoop,
    move_wakeup_fd,
    renew_wakeup,
    unknown_loop,
    wakeup_fault,
)

WSAECONNRESET = 10054

# Two unsigned shorts on Windows, two ints elsewhere: linger, for no seconds, so close() resets.
_LINGER_ZERO = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)


class _StaysReset(socket.socket):
    """A socket whose peer reset it, and which says so each time, as Winsock does.

    Linux says so once, Wine not at all, and from then on both tell of the end of the stream.
    """

    def recv(self, _bufsize: int, _flags: int = 0, /) -> bytes:
        raise ConnectionResetError(
            errno.ECONNRESET,
            "An existing connection was forcibly closed by the remote host",
            None,
            WSAECONNRESET,
        )


@contextlib.contextmanager
def wakeup_reset(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Both ends of the pair are reset, as when a driver cuts the connection.

    SelectorEventLoop then reports 10054 in every turn (Tribler issue 8682); ProactorEventLoop
    reports it once, and no thread wakes it any more.
    """
    with _injured(loop) as known:
        csock = known._csock
        _replace_csock(known)
        if hasattr(known, "_read_from_self"):  # the Proactor knows its reading end by identity
            fd = known._ssock.detach()
            known._ssock = _StaysReset(fileno=fd)
            known._ssock.setblocking(False)
        _reset(csock)
        yield


@contextlib.contextmanager
def wakeup_end(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """The pair is shut down in order: its reading end is at the end of the stream.

    Both loops then turn without pause (gh-156333, gh-156344), and report nothing.
    """
    with _injured(loop) as known:
        known._csock.shutdown(socket.SHUT_RDWR)
        yield


@contextlib.contextmanager
def wakeup_cut(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """The writing end alone is reset, and the reading end never hears of it.

    Both loops are quiet then, and no thread wakes them (gh-156054).
    """
    with _injured(loop) as known:
        csock = known._csock
        _replace_csock(known)
        with csock:  # while it lives, so does the reading end
            yield


@contextlib.contextmanager
def _injured(loop: Any) -> Iterator[Any]:
    reason = unknown_loop(loop)
    if reason is not None:
        raise UnknownLoop(f"cannot injure the wake-up of {loop!r}: {reason}")
    try:
        yield loop
    finally:
        if wakeup_fault(loop) is not None:
            renew_wakeup(loop)


def _replace_csock(loop: Any) -> None:
    """Give *loop* a writing end that is open, and that its peer has reset."""
    dead, peer = socket.socketpair()
    dead.setblocking(False)
    _reset(peer)
    move_wakeup_fd(loop._csock.fileno(), dead.fileno())
    loop._csock = dead


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    sock.close()
