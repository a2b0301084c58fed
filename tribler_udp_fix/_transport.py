"""The datagram transport that asyncio's Proactor should have had.

Its behaviour is SelectorEventLoop's: ``error_received()`` once for each error, and reading goes
on. Two halves, because CPython repaired the second in 3.13.16 and 3.14.8, and what works is left
alone: ``Receiving`` never stops to read while the socket lives, ``Sending`` never strands what
is queued. Both extend the stock class, so ``isinstance()`` and all that is not overridden stay.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import socket
import sys
from asyncio import constants, proactor_events
from asyncio.log import logger as asyncio_logger
from typing import Any

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._budget import ErrorBudget
from tribler_udp_fix._counters import COUNTERS
from tribler_udp_fix._errors import (
    ERROR_PORT_UNREACHABLE,
    WSAEMSGSIZE,
    ErrorClass,
    classify,
    normalise,
    number_of,
)
from tribler_udp_fix._operations import (
    complete_address,
    told_of_errors,
    whole_result,
    windows_error,
)

_Stock: Any = proactor_events._ProactorDatagramTransport  # type: ignore[attr-defined]

logger = logging.getLogger("tribler_udp_fix")

# asyncio counts this much for each queued datagram since 3.13, so that empty ones count too;
# 3.13.0 to 3.13.5 never took it off again (gh-135444).
_QUEUED_HEADER = 8 if sys.version_info >= (3, 13) else 0
# sendto(b"") sends an empty datagram since 3.13 and is a no-op before.
_SENDS_EMPTY = sys.version_info >= (3, 13)

SocketAddress = Any


class _Reporting(_Stock):  # type: ignore[misc]
    """Tells the protocol of an error."""

    # What the stock class keeps and both halves use.
    _address: SocketAddress
    _closing: bool
    _conn_lost: int
    _loop: Any
    _protocol: Any
    _read_fut: asyncio.Future[Any] | None
    _sock: Any
    _write_fut: asyncio.Future[Any] | None
    max_size: int

    def _report(self, exc: OSError) -> None:
        """Call ``error_received()``; what that raises is not the socket's fault."""
        try:
            self._protocol.error_received(normalise(exc))
        except Exception as raised:
            self._loop.call_exception_handler(
                {
                    "message": "error_received() raised an exception",
                    "exception": raised,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )


class Receiving(_Reporting):
    """Posts the next receive whatever became of the last one."""

    _awaits_bind = False
    # Whether a turn of the loop that starts to read was asked for; the stock __init__ does.
    _reads_later = True

    def __init__(
        self, loop: Any, sock: socket.socket, protocol: Any, error_budget: int, *args: Any
    ) -> None:
        self._error_budget = ErrorBudget(error_budget)
        told_of_errors.add(sock)
        super().__init__(loop, sock, protocol, *args)

    @property
    def reading(self) -> bool:
        """Whether a receive is posted, or one is sure to come without anybody's help.

        It is when a timer of the error budget runs, and while a socket that was never bound waits
        for the first send. False once the transport is closing. That a posted receive will ever
        complete it cannot tell: see ``rearm()``.
        """
        if self._closing:
            return False
        return self._read_fut is not None or self._reads_later or self._awaits_bind

    def rearm(self) -> None:
        """Read again, now: where nothing is posted, and in place of a receive that looks lost.

        A posted receive is cancelled and a new one is posted, because a completion that was lost
        (sleep and resume, a driver's reset) never comes. What the cancelled one had received
        already is delivered, before anything else. Does nothing while closing, and, as every
        method of a transport, belongs into the loop's thread.
        """
        if self._closing:
            return
        old: Any = self._read_fut
        if old is not None:
            if old.done():  # its outcome is on its way to us
                return
            self._read_fut = None
            old.remove_done_callback(self._loop_reading)
            old.add_done_callback(self._late_outcome)
            self._abandon(old)
        self._post_receive()

    def _abandon(self, old: Any) -> None:
        """Make an end of the posted receive *old*, which may complete all the same."""
        ov = old._ov
        if ov.pending:
            # Its completion, which tells that it was aborted, or what it received just before,
            # is the end of it. Cancelling the future would make the proactor overlook that.
            with contextlib.suppress(OSError):
                ov.cancel()
        if not ov.pending:
            # Complete already, but whether the proactor is ever told of that is the question.
            try:
                old.set_result(whole_result(None, None, ov))
            except OSError as exc:
                old.set_exception(exc)
            self._loop._proactor._unregister(ov)

    def _late_outcome(self, fut: asyncio.Future[Any]) -> None:
        if fut.cancelled():
            return
        exc = fut.exception()
        if exc is None:
            self._deliver(fut.result())
        elif not (isinstance(exc, OSError) and classify(exc) is ErrorClass.OURS):
            self._receive_failed(exc)

    def _loop_reading(self, fut: asyncio.Future[Any] | None = None) -> None:
        """Take the outcome of *fut*, post the next receive, then tell the protocol.

        In this order, because a receive that waits while the protocol works is one less datagram
        for the socket's buffer to hold. Without *fut*: start to read, where nothing does.
        """
        if fut is None:
            self._post_receive()
            return
        assert fut is self._read_fut or (self._read_fut is None and self._closing)
        self._read_fut = None
        exc = None if fut.cancelled() else fut.exception()
        if exc is not None:
            self._receive_failed(exc)
            return
        failed = self._try_to_receive()
        try:
            if not fut.cancelled():
                self._deliver(fut.result())
        finally:
            if failed is not None:
                self._receive_failed(failed)

    def _post_receive(self) -> None:
        self._reads_later = False
        failed = self._try_to_receive()
        if failed is not None:
            self._receive_failed(failed)

    def _try_to_receive(self) -> Exception | None:
        """Start to receive, unless something does already; returns why that failed at once."""
        if self._closing or self._read_fut is not None:
            return None
        proactor = self._loop._proactor
        receive = proactor.recvfrom if self._address is None else proactor.recv
        try:
            self._read_fut = receive(self._sock, self.max_size)
        except Exception as exc:
            return exc
        self._read_fut.add_done_callback(self._loop_reading)
        return None

    def _deliver(self, received: Any) -> None:
        data, address = received if self._address is None else (received, self._address)
        if self._closing:
            COUNTERS.dropped("received after close")
        elif address is None:
            # After uninstall() this is how CPython says that a port was unreachable.
            self._receive_failed(windows_error(ERROR_PORT_UNREACHABLE))
        else:
            self._protocol.datagram_received(data, address)

    def _receive_failed(self, exc: BaseException) -> None:
        if self._closing:
            return
        if not isinstance(exc, OSError):  # no memory for the buffer, a loop that is being closed
            self._fatal_error(exc, "Fatal read error on datagram transport")
            return
        error_class = classify(exc)
        if error_class is ErrorClass.UNBOUND and self._is_unbound():
            self._awaits_bind = True  # sendto() binds it
            return
        first = COUNTERS.error("receive", exc)
        if error_class is ErrorClass.DEAD or self._sock.fileno() == -1:
            self._force_close(normalise(exc))
            return
        if error_class is ErrorClass.UNKNOWN and first:
            logger.warning("%r: unknown receive error, receiving again: %s", self, exc)
        if number_of(exc) == WSAEMSGSIZE:
            COUNTERS.dropped("truncated")
        COUNTERS.add("receives_rearmed")
        # In a turn of its own, so that errors in a row leave the loop to others in between.
        delay = self._error_budget.delay(self._loop.time())
        self._reads_later = True
        self._loop.call_later(delay, self._post_receive)
        if error_class is not ErrorClass.OURS:
            self._report(exc)

    def _is_unbound(self) -> bool:
        try:
            self._sock.getsockname()
        except OSError as exc:
            return classify(exc) is ErrorClass.UNBOUND
        return False

    def sendto(self, data: bytes | bytearray | memoryview, addr: SocketAddress = None) -> None:
        if addr is None and self._address is None:
            addr = self.get_extra_info("peername")  # of a socket that was connected before
        super().sendto(data, addr)
        if self._awaits_bind:
            self._awaits_bind = False
            self._post_receive()


class Sending(_Reporting):
    """Sends what is queued whatever became of the datagram before."""

    _buffer: collections.deque[tuple[bytes, SocketAddress]]
    _in_loop_writing = False
    # The stock __init__ sets the first since 3.10, the second since 3.11.
    _called_connection_lost = False
    _buffer_size = 0

    def get_write_buffer_size(self) -> int:
        return self._buffer_size

    def sendto(self, data: bytes | bytearray | memoryview, addr: SocketAddress = None) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__}")
        if self._address is not None and addr not in (None, self._address):
            raise ValueError(f"Invalid address: must be None or {self._address}")
        if self._closing:
            COUNTERS.dropped("sent after close")
            if self._conn_lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                asyncio_logger.warning("socket.sendto() raised exception.")
            self._conn_lost += 1
            return
        # Whoever sends may reuse a bytearray as soon as this returns.
        data = bytes(data)
        if not data and not _SENDS_EMPTY:
            COUNTERS.dropped("empty, before Python 3.13")
            return
        self._buffer.append((data, addr))
        self._buffer_size += len(data) + _QUEUED_HEADER
        if self._write_fut is None and not self._in_loop_writing:
            self._loop_writing()
        self._maybe_pause_protocol()

    def _loop_writing(self, fut: asyncio.Future[Any] | None = None) -> None:
        """Start to send the head of the queue; what fails at once makes way for the next."""
        exc = None if fut is None or fut.cancelled() else fut.exception()
        if fut is not self._write_fut:
            return
        self._write_fut = None
        self._in_loop_writing = True
        try:
            if isinstance(exc, OSError):
                self._send_failed(exc)
            while self._buffer and self._write_fut is None:
                self._send_next()
        finally:
            self._in_loop_writing = False
            if self._buffer and self._write_fut is None:  # error_received() ends the program
                self._loop.call_soon(self._loop_writing)
        if self._called_connection_lost:
            return
        self._maybe_resume_protocol()
        if self._closing and not self._buffer and self._write_fut is None:
            self._loop.call_soon(self._call_connection_lost, None)

    def _send_next(self) -> None:
        data, addr = self._buffer.popleft()
        self._buffer_size -= len(data) + _QUEUED_HEADER
        proactor = self._loop._proactor
        try:
            if self._address is not None:
                self._write_fut = proactor.send(self._sock, data)
            else:
                addr = complete_address(self._sock.family, addr)  # after uninstall() too
                self._write_fut = proactor.sendto(self._sock, data, addr=addr)
        except OSError as exc:
            self._send_failed(exc)
        except Exception as exc:
            self._fatal_error(exc, "Fatal write error on datagram transport")
        else:
            self._write_fut.add_done_callback(self._loop_writing)

    def _send_failed(self, exc: OSError) -> None:
        COUNTERS.error("send", exc)
        COUNTERS.dropped("send failed")
        self._report(exc)

    def close(self) -> None:
        """Stop to receive, send what is queued, then call ``connection_lost(None)``."""
        if self._closing:
            return
        self._closing = True
        self._conn_lost += 1
        if self._read_fut is not None:
            self._read_fut.cancel()
            self._read_fut = None
        if not self._buffer and self._write_fut is None:
            self._loop.call_soon(self._call_connection_lost, None)

    def _force_close(self, exc: BaseException | None) -> None:
        """Drop what is queued and call ``connection_lost(exc)``; after ``close()`` too."""
        if self._called_connection_lost:
            return
        self._closing = True
        self._conn_lost += 1
        for pending in (self._read_fut, self._write_fut):
            if pending is not None:
                pending.cancel()
        self._read_fut = self._write_fut = None
        COUNTERS.dropped("queued at abort", len(self._buffer))
        self._buffer.clear()
        self._buffer_size = 0
        self._loop.call_soon(self._call_connection_lost, exc)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        if self._called_connection_lost:
            return
        self._called_connection_lost = True
        try:
            self._protocol.connection_lost(exc)
        finally:
            # On a handle that is dead already, Python 3.8 fails here and never closes.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._sock.close()
            self._sock = None


class ReceivingTransport(Receiving):
    """For a CPython whose sending is right: 3.13.16, 3.14.8, 3.15 and later."""


class RepairedTransport(Receiving, Sending):
    """For every other CPython."""


def transport_class(*, repair_sending: bool) -> type[Receiving]:
    """The transport to make in place of the stock one."""
    return RepairedTransport if repair_sending else ReceivingTransport
