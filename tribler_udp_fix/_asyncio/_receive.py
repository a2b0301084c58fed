"""Receives for those who have nobody to tell of an error: they start again."""

from __future__ import annotations

import socket
import sys
import weakref
from asyncio import windows_events
from typing import Any

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._asyncio._budget import ErrorBudget
from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._errors import WSAEMSGSIZE, ErrorClass, classify, number_of
from tribler_udp_fix._asyncio._operations import RECEIVES, receive_now, start, whole_result

_OverlappedFuture: Any = windows_events._OverlappedFuture  # type: ignore[attr-defined]

# Each receive is a future of its own, the errors a second are the socket's.
_budgets: weakref.WeakKeyDictionary[socket.socket, ErrorBudget] = weakref.WeakKeyDictionary()


class ReceiveFuture(_OverlappedFuture):  # type: ignore[misc]
    """A receive that, when it fails of something that will pass, starts again.

    For ``loop.sock_recvfrom()`` and its kin, which have nobody to tell of an ICMP error that some
    earlier send earned: the error is counted, and the future waits for the next real datagram.
    Every other error is the future's. Cancelling it cancels the operation that is under way.
    """

    def __init__(
        self,
        proactor: Any,
        sock: socket.socket,
        receive: tuple[str, Any, int],
        error_budget: int,
    ) -> None:
        # Until an operation is under way there is none to cancel.
        super().__init__(None, loop=proactor._loop)
        self._proactor = proactor
        self._sock = sock
        self._receive = receive
        self._budget = _budgets.setdefault(sock, ErrorBudget(error_budget))
        self._start()

    def _start(self) -> None:
        while not self.done():
            failed = self._try_to_receive()
            if failed is None or not self._goes_on_after(failed):
                return

    def _start_again(self) -> None:
        """Start, where nobody but who awaits this future can be told of what goes wrong."""
        try:
            self._start()
        except Exception as exc:  # in the poll of the proactor it would end the event loop
            if not self.done():
                super().set_exception(exc)

    def _try_to_receive(self) -> OSError | None:
        """Receive, now or overlapped; returns why that failed at once."""
        try:
            self.set_result(receive_now(self._sock, *self._receive))
        except BlockingIOError:
            return self._post()
        except OSError as exc:
            return exc
        return None

    def _post(self) -> OSError | None:
        self._proactor._check_closed()
        kind, *arguments = self._receive
        try:
            ov = start(self._proactor, self._sock, RECEIVES[kind].overlapped, *arguments)
        except OSError as exc:
            return exc
        self._ov: Any = ov
        # As IocpProactor._register() does, which would make a future of its own.
        self._proactor._cache[ov.address] = (self, ov, self._sock, whole_result)
        return None

    def set_exception(self, exception: type | BaseException, /) -> None:
        """Start again after a transient OSError; else as every future."""
        if not isinstance(exception, OSError):
            super().set_exception(exception)
        elif self._goes_on_after(exception):
            self._start_again()

    def _goes_on_after(self, exc: OSError) -> bool:
        """Whether to receive again at once; otherwise it starts later, or ends with *exc*."""
        self._ov = None
        COUNTERS.error("receive", exc)
        if classify(exc) is not ErrorClass.TRANSIENT:
            super().set_exception(exc)
            return False
        COUNTERS.add("receives_rearmed")
        if number_of(exc) == WSAEMSGSIZE:
            COUNTERS.dropped("truncated")
        loop = self.get_loop()
        delay = self._budget.delay(loop.time())
        if delay:
            loop.call_later(delay, self._start_again)
        # At once within the budget: a turn later a time-out may cancel what there is to receive.
        return not delay

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        """Cancel the receive; a datagram that it has received already is counted as dropped."""
        if not self.done() and self._ov is not None and not self._ov.pending:
            COUNTERS.dropped("received when cancelled")
        cancelled: bool = super().cancel(*args, **kwargs)
        return cancelled
