"""Receives for those who have nobody to tell of an error: they start again."""

from __future__ import annotations

import socket
import sys
from asyncio import windows_events
from typing import Any

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._budget import ErrorBudget
from tribler_udp_fix._counters import COUNTERS
from tribler_udp_fix._errors import WSAEMSGSIZE, ErrorClass, classify, number_of
from tribler_udp_fix._operations import Post, start

_OverlappedFuture: Any = windows_events._OverlappedFuture  # type: ignore[attr-defined]


class ReceiveFuture(_OverlappedFuture):  # type: ignore[misc]
    """A receive that, when it fails of something that will pass, starts again.

    For ``loop.sock_recvfrom()`` and its kin, which have nobody to tell of an ICMP error that some
    earlier send earned: the error is counted, and the future waits for the next real datagram.
    Cancelling it cancels the overlapped operation that is under way.
    """

    def __init__(self, proactor: Any, sock: socket.socket, post: Post, error_budget: int) -> None:
        # Until an operation is under way there is none to cancel.
        super().__init__(None, loop=proactor._loop)
        self._proactor = proactor
        self._sock = sock
        self._post = post
        self._budget = ErrorBudget(error_budget)
        self._start()

    def _start(self) -> None:
        if self.done():
            return
        self._proactor._check_closed()
        try:
            ov = start(self._proactor, self._sock, self._post)
        except OSError as exc:
            self.set_exception(exc)
            return
        self._ov: Any = ov
        # As IocpProactor._register() does, which would make a future of its own: the result of
        # an operation that is complete is taken now, and its completion packet still comes.
        if not ov.pending:
            try:
                self.set_result(_result(None, None, ov))
            except OSError as exc:
                self.set_exception(exc)
        self._proactor._cache[ov.address] = (self, ov, self._sock, _result)

    def set_exception(self, exception: type | BaseException, /) -> None:
        """Start again after a transient OSError; else as every future."""
        if not isinstance(exception, OSError) or classify(exception) is not ErrorClass.TRANSIENT:
            if isinstance(exception, OSError):
                COUNTERS.error("receive", exception)
            super().set_exception(exception)
            return
        self._ov = None
        COUNTERS.error("receive", exception)
        COUNTERS.add("receives_rearmed")
        if number_of(exception) == WSAEMSGSIZE:
            COUNTERS.dropped("truncated")
        loop = self.get_loop()
        delay = self._budget.delay(loop.time())
        if delay:
            loop.call_later(delay, self._start)
        else:
            # Not at once: each error that is queued up gets a turn of the loop, no more.
            loop.call_soon(self._start)


def _result(_transferred: Any, _key: Any, ov: Any) -> tuple[Any, Any]:
    result: tuple[Any, Any] = ov.getresult()
    return result
