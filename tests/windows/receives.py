"""Receives without an event loop: overlapped ones, and what became of them."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from udp import IN_LAB

# Seconds after which an ICMP error, if there was one, has arrived from loopback.
SETTLE = 0.02 if IN_LAB else 0.2


class CompletionPort:
    """Overlapped receives without an event loop in between."""

    def __init__(self) -> None:
        import _overlapped

        self._api: Any = _overlapped
        self._handle = self._api.CreateIoCompletionPort(_overlapped.INVALID_HANDLE_VALUE, 0, 0, 1)
        self._posted: list[Any] = []
        self._watched: set[int] = set()

    def post(self, sock: socket.socket, size: int = 2000) -> Any:
        """Post a receive; raises what WSARecvFrom, or WSARecv if connected, fails of at once."""
        if sock.fileno() not in self._watched:
            self._api.CreateIoCompletionPort(sock.fileno(), self._handle, 0, 0)
            self._watched.add(sock.fileno())
        overlapped = self._api.Overlapped(0)
        receive = overlapped.WSARecv if is_connected(sock) else overlapped.WSARecvFrom
        receive(sock.fileno(), size, 0)
        self._posted.append(overlapped)
        return overlapped

    def completion(self, seconds: float = 2.0) -> tuple[int, int] | None:
        """The error and the size of the next completed receive; None when none completes."""
        result = self._api.GetQueuedCompletionStatus(self._handle, int(seconds * 1000))
        if result is None:
            return None
        self._posted = [overlapped for overlapped in self._posted if overlapped.pending]
        error, size = result[:2]
        return error, size

    def nothing_completes(self) -> bool:
        return self.completion(SETTLE) is None

    def close(self) -> None:
        for overlapped in self._posted:
            overlapped.cancel()
        while self._posted and self.completion():
            pass


def is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def error_at_once(port: CompletionPort, sock: socket.socket) -> int:
    """The Winsock number with which a receive fails at once."""
    with pytest.raises(OSError) as caught:
        port.post(sock)
    return number(caught.value)


def number(error: OSError) -> int:
    winsock_or_win32: int = (
        getattr(error, "winerror", None) or 0
    )  # None: a TimeoutError of Python's
    return winsock_or_win32


def received(sock: socket.socket) -> bytes:
    """The next datagram; fails when none comes."""
    sock.settimeout(2)
    return sock.recv(2000)


def nothing_to_receive(sock: socket.socket) -> bool:
    sock.setblocking(False)
    time.sleep(SETTLE)
    try:
        sock.recv(2000)
    except BlockingIOError:
        return True
    return False
