"""The datagram transport that asyncio's Proactor should have had.

Its behaviour is SelectorEventLoop's: ``error_received()`` once for each error, and reading goes
on. Two halves, because CPython repaired the second in 3.13.16 and 3.14.8, and what works is left
alone: ``Receiving`` never stops to read while the socket lives, ``Sending`` never strands what
is queued. Both extend the stock class, so ``isinstance()`` and all that is not overridden stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from asyncio import windows_events
from time import perf_counter
from typing import Any

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._asyncio._budget import ErrorBudget
from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._errors import (
    ERROR_PORT_UNREACHABLE,
    WSAEMSGSIZE,
    ErrorClass,
    classify,
    normalise,
    number_of,
)
from tribler_udp_fix._asyncio._operations import (
    LARGEST_DATAGRAM,
    post,
    told_of_errors,
    whole_result,
    windows_error,
)
from tribler_udp_fix._asyncio._reporting import (
    TURN_DATAGRAMS,
    TURN_SECONDS,
    Reporting,
    SocketAddress,
)
from tribler_udp_fix._asyncio._sending import Sending, SendingAtOnce

# How long a receive that was cancelled, because it looked lost, may take to tell its outcome.
LAST_CALL_SECONDS = 0.05

logger = logging.getLogger("tribler_udp_fix")


class Receiving(Reporting):
    """Reads on whatever became of the last receive.

    With ``fast_path`` it takes what waits in the socket without blocking, as many datagrams as a
    turn of the loop has time for, and posts an overlapped receive when there is no more. Where
    datagrams come one by one that look would be a call for nothing, so it is left out: a receive
    that completes in the moment it is posted tells as well that there is more.
    """

    _awaits_bind = False
    # The turn of the loop that will read on, if one was asked for.
    _turn: asyncio.Handle | None = None
    _draining = False
    _on_last_call = False
    # Whether to look before an overlapped receive is posted: the last look found something, or
    # the receive after it did, or the socket meets errors. _overlapped never frees the buffer of
    # a receive that fails in the moment it is posted, so an error must be met by a look.
    _looks = True
    _meets_errors = False

    def __init__(
        self,
        loop: Any,
        sock: socket.socket,
        protocol: Any,
        error_budget: int,
        fast_path: bool,
        *args: Any,
    ) -> None:
        self._error_budget = ErrorBudget(error_budget)
        # The fast path posts its operations by hand, which another proactor may not do likewise.
        self._fast = fast_path and isinstance(loop._proactor, windows_events.IocpProactor)
        told_of_errors.add(sock)
        super().__init__(loop, sock, protocol, *args)
        self._read_on_later(0.0)  # as the stock __init__ does, whose call comes first

    @property
    def reading(self) -> bool:
        """Whether a receive is posted, or one is sure to come without anybody's help.

        It is when a timer of the error budget runs or a turn of the loop was asked for, and while
        a socket that was never bound waits for the first send. False once the transport is
        closing. That a posted receive will ever complete it cannot tell: see ``rearm()``.
        """
        if self._closing:
            return False
        posted = self._read_fut is not None
        return posted or self._draining or self._turn is not None or self._awaits_bind

    def rearm(self) -> None:
        """Read again: where nothing is posted, and in place of a receive that looks lost.

        A posted receive is cancelled and a new one follows in a turn of the loop soon after,
        because a completion that was lost (sleep and resume, a driver's reset) never comes. What
        the cancelled one had received already is delivered, and before anything else. Does
        nothing while closing, and, as every method of a transport, belongs into the loop's thread.
        """
        if self._closing or self._draining or self._on_last_call:
            return
        old: Any = self._read_fut
        if old is None:
            self._read_on_later(0.0, instead=True)  # of a timer that may be far away
        elif not old.done():  # else its outcome is on its way to us
            self._read_fut = None
            old.remove_done_callback(self._loop_reading)
            old.add_done_callback(self._late_outcome)
            self._abandon(old)
            # As soon as that has ended, for the sake of the order, but do not count on it.
            self._on_last_call = True
            self._read_on_later(LAST_CALL_SECONDS)

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
        exc = None if fut.cancelled() else fut.exception()
        try:
            if exc is None and not fut.cancelled():
                self._deliver(fut.result())
            elif isinstance(exc, OSError) and classify(exc) is not ErrorClass.OURS:
                self._receive_failed(exc)
        finally:
            self._read_on()

    def _loop_reading(self, fut: asyncio.Future[Any] | None = None) -> None:
        """Take the outcome of *fut* and read on; without *fut*, start to read if nothing does."""
        if fut is None:
            self._read_on()
            return
        assert fut is self._read_fut or (self._read_fut is None and self._closing)
        self._read_fut = None
        if fut.cancelled():
            self._read_on()
            return
        exc = fut.exception()
        if exc is not None:
            self._receive_failed(exc)
        elif self._fast and not self._closing:
            self._drain(fut.result())
        else:
            # The next receive first: one that waits while the protocol works is one less datagram
            # for the socket's buffer to hold.
            failed = self._post_receive()
            try:
                self._deliver(fut.result())
            finally:
                if failed is not None:
                    self._receive_failed(failed)

    def _read_on(self) -> None:
        """Start to read, unless something does already."""
        self._on_last_call = False
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self._closing or self._draining or self._read_fut is not None:
            return
        if self._fast:
            self._drain()
            return
        failed = self._post_receive()
        if failed is not None:
            self._receive_failed(failed)

    def _read_on_later(self, delay: float, *, instead: bool = False) -> None:
        """Read on in a turn of its own, after *delay* seconds, unless one was asked for already."""
        if self._turn is not None:
            if not instead:
                return
            self._turn.cancel()
        if delay:
            self._turn = self._loop.call_later(delay, self._read_on)
        else:
            self._turn = self._loop.call_soon(self._read_on)

    def _drain(self, received: Any = None) -> None:
        """Deliver *received* and what waits in the socket, then post a receive.

        Past its share of the turn it goes on in the next one. However it ends, also when the
        protocol raises, reading goes on.
        """
        address = self._address
        connected = address is not None
        receive = self._sock.recv if connected else self._sock.recvfrom
        room = min(self.max_size, LARGEST_DATAGRAM)
        until = perf_counter() + TURN_SECONDS
        # A socket that blocks would keep the loop waiting.
        turns = TURN_DATAGRAMS if self._looks and self._sock.gettimeout() == 0 else 0
        self._draining = goes_on = True
        self._looks = self._meets_errors
        try:
            if received is not None:
                self._deliver(received)
            for _ in range(0 if self._closing else turns):
                try:
                    if connected:
                        data = receive(room)
                    else:
                        data, address = receive(room)
                except BlockingIOError:
                    break
                except Exception as exc:  # whatever it is, it is reported
                    goes_on = self._receive_failed(exc)
                    if not goes_on:
                        return
                else:
                    self._looks = True
                    self._protocol.datagram_received(data, address)
                if self._closing or perf_counter() > until:
                    return
            else:
                if turns:
                    return
            goes_on = False
        finally:
            self._draining = False
            if goes_on:
                self._read_on_later(0.0)
        failed = self._post_receive()
        if failed is not None:
            self._receive_failed(failed)

    def _post_receive(self) -> Exception | None:
        """Post a receive, unless one is; returns why that failed at once."""
        if self._closing or self._read_fut is not None:
            return None
        proactor, sock = self._loop._proactor, self._sock
        connected = self._address is not None
        try:
            if self._fast:
                name = "WSARecv" if connected else "WSARecvFrom"
                self._read_fut = post(proactor, sock, name, min(self.max_size, LARGEST_DATAGRAM), 0)
                self._looks = self._looks or self._read_fut.done()
            else:
                receive = proactor.recv if connected else proactor.recvfrom
                self._read_fut = receive(sock, self.max_size)
        except Exception as exc:  # the caller's to report
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

    def _receive_failed(self, exc: BaseException) -> bool:
        """Handle *exc*, and have a later turn of the loop read on, unless that is in vain.

        Returns whether the next receive need not wait for that turn.
        """
        if self._closing:
            return False
        if not isinstance(exc, OSError):  # no memory for the buffer, a loop that is being closed
            self._fatal_error(exc, "Fatal read error on datagram transport")
            return False
        error_class = classify(exc)
        if error_class is ErrorClass.UNBOUND and self._is_unbound():
            self._awaits_bind = True  # sendto() binds it
            return False
        first = COUNTERS.error("receive", exc)
        if error_class is ErrorClass.DEAD or self._sock.fileno() == -1:
            self._force_close(normalise(exc))
            return False
        if error_class is ErrorClass.UNKNOWN and first:
            logger.warning("%r: unknown receive error, receiving again: %s", self, exc)
        if number_of(exc) == WSAEMSGSIZE:
            COUNTERS.dropped("truncated")
        COUNTERS.add("receives_rearmed")
        self._looks = self._meets_errors = True
        delay = self._error_budget.delay(self._loop.time())
        self._read_on_later(delay, instead=delay > 0)
        if error_class is not ErrorClass.OURS:
            self._report(exc)
        return not delay

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
            self._read_on_later(0.0)


class ReceivingTransport(SendingAtOnce, Receiving):
    """For a CPython whose sending is right: 3.13.16, 3.14.8, 3.15 and later."""


class RepairedTransport(SendingAtOnce, Receiving, Sending):
    """For every other CPython."""


def transport_class(*, repair_sending: bool) -> type[Receiving]:
    """The transport to make in place of the stock one."""
    return RepairedTransport if repair_sending else ReceivingTransport
