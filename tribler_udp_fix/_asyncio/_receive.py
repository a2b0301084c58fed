"""Receives for those who have nobody to tell of an error: they start again."""

from __future__ import annotations

import asyncio
import functools
import socket
import sys
import weakref
from time import perf_counter, thread_time
from typing import Any

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._asyncio import _turns
from tribler_udp_fix._asyncio._budget import LONGEST, ErrorBudget
from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._errors import (
    WSAEMSGSIZE,
    ErrorClass,
    classify,
    normalise,
    number_of,
)
from tribler_udp_fix._asyncio._operations import RECEIVES, peek

# Each receive is a future of its own, the errors a second are the socket's.
_budgets: weakref.WeakKeyDictionary[socket.socket, ErrorBudget] = weakref.WeakKeyDictionary()


class ReceiveFuture(asyncio.Future):  # type: ignore[type-arg]
    """A receive that, when it fails of something that will pass, starts again.

    For ``loop.sock_recvfrom()`` and its kin, which have nobody to tell of an ICMP error that some
    earlier send earned: the error is counted, and the future waits for the next real datagram. On
    a connected socket the error is that of the only peer, and so the future's, as is every other.
    It waits by peeking: one that is cancelled has taken no datagram along.
    """

    def __init__(
        self,
        proactor: Any,
        sock: socket.socket,
        receive: tuple[str, Any, int],
        error_budget: int,
    ) -> None:
        super().__init__(loop=proactor._loop)
        self._proactor = proactor
        self._sock = sock
        kind, *arguments = receive
        self._receive = functools.partial(RECEIVES[kind], sock, *arguments)
        self._budget = _budgets.setdefault(sock, ErrorBudget(error_budget))
        self._waiting: Any = None
        if sock.gettimeout() == 0 or not self._wait():  # else it would keep the loop waiting
            self._go_on()

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        """Cancel the receive; what waits, or comes, is left for the next one."""
        cancelled: bool = super().cancel(*args, **kwargs)
        if self._waiting is not None:
            self._waiting.cancel()
        return cancelled

    def _wait(self) -> bool:
        """Go on when something waits in the socket; False where something does, or has failed."""
        try:
            self._waiting = peek(self._proactor, self._sock)
        except OSError as exc:
            if number_of(exc) != WSAEMSGSIZE:
                self._failed(exc)
            return False
        self._waiting.add_done_callback(self._waited)
        return True

    def _waited(self, wait: asyncio.Future[Any] | None = None) -> None:
        exc = None if wait is None or wait.cancelled() else wait.exception()
        if self.done():
            return
        if isinstance(exc, OSError) and number_of(exc) != WSAEMSGSIZE:
            self._failed(exc)
        try:
            self._go_on()
        except Exception as raised:  # there is nobody else to tell: a buffer that is none any more
            if not self.done():
                self.set_exception(raised)

    def _go_on(self) -> None:
        """Receive what waits in the socket, past errors that will pass; else wait."""
        started, counted = perf_counter(), 0.0
        while not self.done():
            try:
                self.set_result(self._receive_now())
            except BlockingIOError:
                self._budget.end()
                if self._wait():
                    return
                if perf_counter() - started > _turns.SHARE:
                    # To wait fails, again and again, at once.
                    self.get_loop().call_later(LONGEST, self._waited)
                    return
            except OSError as exc:
                spent = self._failed(exc)
                now, before, counted = perf_counter(), counted, thread_time() if spent else 0.0
                delay = self._budget.pause(counted - before, now) if spent and before else 0.0
                if delay or now - started > _turns.SHARE:
                    self.get_loop().call_later(delay, self._waited)
                    return

    def _receive_now(self) -> Any:
        timeout = self._sock.gettimeout()
        if timeout == 0:
            return self._receive()
        # Somebody else may have taken what was there, and the event loop would wait for more.
        self._sock.setblocking(False)
        try:
            return self._receive()
        finally:
            self._sock.settimeout(timeout)

    def _failed(self, exc: OSError) -> bool:
        """Count *exc*, or end with it; whether the budget for errors is used up."""
        COUNTERS.error("receive", exc)
        transient = classify(exc) is ErrorClass.TRANSIENT and number_of(exc) != WSAEMSGSIZE
        if not transient or self._is_connected():
            if number_of(exc) == WSAEMSGSIZE:
                COUNTERS.dropped("truncated")
            self.set_exception(normalise(exc))
            return False
        COUNTERS.add("receives_rearmed")
        return self._budget.is_spent(perf_counter())

    def _is_connected(self) -> bool:
        try:
            self._sock.getpeername()
        except OSError:
            return False
        return True
