"""The datagram transport of ProactorEventLoop.

It waits as libuv does: by a receive of no bytes that only peeks. A completion then says that there
is something, and takes nothing along; what there is, is read from the socket at once. So one buffer
of no bytes serves every endpoint, a receive that fails at once leaks none (gh-143249), and a
completion that is lost loses no datagram.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import sys
from asyncio import proactor_events
from typing import Any

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._datagram import DatagramTransport
from tribler_udp_fix._asyncio._errors import WSAEMSGSIZE, ErrorClass, classify, number_of
from tribler_udp_fix._asyncio._operations import (
    is_driven_by_hand,
    peek,
    post_send,
)
from tribler_udp_fix._asyncio._reporting import SocketAddress
from tribler_udp_fix._asyncio._sending import header_size

Stock: Any = proactor_events._ProactorDatagramTransport  # type: ignore[attr-defined]


class ProactorTransport(DatagramTransport, Stock):  # type: ignore[misc]
    """A datagram transport whose waits are overlapped operations."""

    _header_size = header_size(Stock)
    _apart = True

    _read_fut: asyncio.Future[Any] | None
    _write_fut: asyncio.Future[Any] | None
    # The socket that is known to be this loop's completion port's.
    _registered: socket.socket | None = None
    # What the full socket has not taken yet.
    _in_flight: tuple[bytes, SocketAddress]

    def _set_up(self, loop: Any, error_budget: int, fast_path: bool) -> None:
        super()._set_up(loop, error_budget, fast_path)
        self._direct = fast_path

    def _loop_reading(self, fut: asyncio.Future[Any] | None = None) -> None:
        """Read on, after *fut*, the wait that has ended; asyncio's own __init__ begins with it."""
        if not self._begun:
            self._begun = True
            if self._gap is not None or not self._is_our_ports():
                return
        if fut is not None:
            if fut is not self._read_fut:
                return
            self._read_fut = None
            failed = None if fut.cancelled() else fut.exception()
            if failed is None:
                self._deliver_own(fut)
            elif not _tells_of_data(failed):
                self._failed, self._looks = failed, True
        self._read_on()

    def _deliver_own(self, fut: asyncio.Future[Any], counts: bool = True) -> None:
        """Deliver what *fut* received where it is asyncio's own transport's, which this one was."""
        received = None if fut.cancelled() else fut.result()
        if isinstance(received, bytes):  # a connected socket's receive says no address
            received = received, self._address
        if isinstance(received, tuple) and received[1] is not None:
            self._turns.enter(self)  # whatever becomes of it in there
            self.deliver(received[0], received[1], counts)

    def _wait(self) -> bool:
        if self._read_fut is not None:
            return True
        if self._registered is not self._sock and not self._is_our_ports():
            return True
        failed = self._post_receive()
        if failed is None:
            return True
        self._looks = True
        if not _tells_of_data(failed):
            self._failed = failed
        return False

    def _post_receive(self) -> Exception | None:
        """Post the receive that waits; returns why that failed at once."""
        try:
            self._read_fut = fut = peek(self._loop._proactor, self._sock)
        except Exception as exc:  # the caller's to report
            return exc
        fut.add_done_callback(self._loop_reading, context=self._own_context.copy())
        return None

    def _is_our_ports(self) -> bool:
        """Whether the socket is this loop's completion port's; where it is not, it is lost."""
        sock = self._sock
        try:
            self._loop._proactor._register_with_iocp(sock)
        except OSError as exc:
            # What is posted would complete to others, and what is read is theirs.
            self._loop.call_soon(self._lose_socket, sock, exc)
            return False
        self._registered = sock
        return True

    def _lose_socket(self, sock: socket.socket, exc: OSError) -> None:
        if self._sock is sock:
            self._lose(exc)

    def _is_waiting(self) -> bool:
        return self._read_fut is not None or not self._begun

    def _stop_waiting(self) -> None:
        fut: Any = self._read_fut
        if fut is None:
            return
        self._read_fut = None
        fut.remove_done_callback(self._loop_reading)
        gave_up = functools.partial(self._gave_up, self._sock)
        fut.add_done_callback(gave_up, context=self._own_context.copy())
        proactor = self._loop._proactor
        ov = getattr(fut, "_ov", None)
        if ov is None:  # it is done, or of another make
            fut.cancel()
        elif ov.pending or not is_driven_by_hand(proactor):
            ov.cancel()  # and not its future, which is told of an error that came before
        else:
            proactor._unregister(ov)  # nobody will ever be told that it completed
            try:
                fut.set_result(ov.getresult())
            except OSError as exc:
                fut.set_exception(exc)

    def _gave_up(self, sock: socket.socket, fut: asyncio.Future[Any]) -> None:
        """Tell of what became of a wait until it was given up."""
        is_ours = sock is self._sock
        exc = None if fut.cancelled() else fut.exception()
        if exc is None:
            self._deliver_own(fut, counts=is_ours)
        if not isinstance(exc, OSError) or _tells_of_data(exc) or classify(exc) is ErrorClass.OURS:
            return
        if is_ours:
            self._receive_failed(exc)
        else:
            COUNTERS.error("receive", exc)

    def _wait_to_send(self, data: bytes, addr: SocketAddress) -> None:
        try:
            self._write_fut = self._post_send(data, addr)
        except Exception as exc:  # of whatever somebody takes for an address
            self._send_failed(exc)
        else:
            self._full = True
            self._in_flight = data, addr
            self._write_fut.add_done_callback(self._loop_writing)

    def _post_send(self, data: bytes, addr: SocketAddress) -> asyncio.Future[Any]:
        to = () if self._connected or addr is None else (addr,)
        return post_send(self._loop._proactor, self._sock, data, 0, *to)

    def _loop_writing(self, fut: asyncio.Future[Any]) -> None:
        """Send on, after *fut*, the overlapped send that has ended."""
        if fut is self._write_fut:
            try:
                self._end_send(fut)
            finally:
                self._send_on()

    def _end_send(self, fut: asyncio.Future[Any]) -> None:
        """Wait no more for *fut*, and tell if it failed."""
        self._write_fut = None
        self._full = False
        if not fut.done() or fut.cancelled():  # one of another make is cancelled later
            return
        exc = fut.exception()
        if isinstance(exc, OSError):
            self._send_failed(exc)
        else:
            self.failing = None

    def _stop_sending(self) -> None:
        fut: Any = self._write_fut
        if fut is None:
            return
        fut.remove_done_callback(self._loop_writing)
        if not fut.done():  # else nobody has been told yet
            ov = getattr(fut, "_ov", None)
            if ov is None or ov.pending:
                self._put_back(*self._in_flight)
            fut.cancel()
        self._end_send(fut)


def _tells_of_data(exc: BaseException) -> bool:
    """Whether a peek with no room failed because there is something."""
    return isinstance(exc, OSError) and number_of(exc) == WSAEMSGSIZE
