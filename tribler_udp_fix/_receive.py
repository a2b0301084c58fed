"""Overlapped receives on UDP sockets whose failures come back as results.

A receive can fail twice over: WSARecvFrom itself fails at once, or it waits and its completion
fails. asyncio raises the first from the call and sets the second on the future, and its datagram
transport forgets to read again after either. Here both become the future's outcome, so that
whoever waits has one place to look.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any, Callable

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

import _overlapped
from asyncio import windows_events

from tribler_udp_fix._budget import ErrorBudget
from tribler_udp_fix._counters import COUNTERS
from tribler_udp_fix._errors import ERROR_MORE_DATA, WSAEMSGSIZE, ErrorClass, classify, number_of

_OverlappedFuture: Any = windows_events._OverlappedFuture  # type: ignore[attr-defined]

_NULL = 0
Post = Callable[[Any], None]


def complete_address(family: int, address: Any) -> Any:
    """*address* with the flow information and scope that an IPv6 socket address has.

    ``_overlapped`` takes a pair for an IPv4 address whatever the socket's family is; the socket
    module, and so SelectorEventLoop, fills in the zeros.
    """
    if family == socket.AF_INET6 and isinstance(address, tuple) and len(address) in (2, 3):
        return (*address, 0, 0)[:4]
    return address


def _whole_datagram(_transferred: Any, _key: Any, ov: Any) -> Any:
    """The result of a completed receive; raises OSError, also for a truncated datagram."""
    result = ov.getresult()
    if ov.error == ERROR_MORE_DATA:
        # getresult() calls the part that fitted a success; recvfrom() calls it an error.
        raise OSError(0, _overlapped.FormatMessage(WSAEMSGSIZE), None, WSAEMSGSIZE)
    return result


def post_receive(
    proactor: Any, sock: socket.socket, nbytes: int, *, connected: bool
) -> asyncio.Future[Any]:
    """Start to receive one datagram of at most *nbytes* bytes.

    The future's result is ``(data, address)``, or ``data`` where *connected*; its exception the
    OSError, with Windows' own number, of a receive that failed now or later. Source for the two
    ways to fail: gh-91227 and gh-127057.
    """
    ov = _overlapped.Overlapped(_NULL)
    try:
        proactor._register_with_iocp(sock)
        if connected:
            ov.WSARecv(sock.fileno(), nbytes, 0)
        else:
            ov.WSARecvFrom(sock.fileno(), nbytes, 0)
    except OSError as exc:
        failed: asyncio.Future[Any] = proactor._loop.create_future()
        failed.set_exception(exc)
        return failed
    future: asyncio.Future[Any] = proactor._register(ov, sock, _whole_datagram)
    return future


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
        proactor._register_with_iocp(sock)
        self._start()

    def _start(self) -> None:
        if self.done():
            return
        self._proactor._check_closed()
        ov = _overlapped.Overlapped(_NULL)
        try:
            self._post(ov)
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
