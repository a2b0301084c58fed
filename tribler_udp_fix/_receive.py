"""Overlapped receives on UDP sockets, of two kinds.

A repaired transport tells its protocol of each error, so it posts receives that try once. Whoever
awaits ``loop.sock_recvfrom()`` has nobody to tell, and a transport of asyncio's own would stop
reading: theirs start again.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import weakref
from typing import Any, Callable

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

import _overlapped
from asyncio import windows_events

from tribler_udp_fix._budget import ErrorBudget
from tribler_udp_fix._counters import COUNTERS
from tribler_udp_fix._errors import ERROR_MORE_DATA, WSAEMSGSIZE, ErrorClass, classify, number_of

_OverlappedFuture: Any = windows_events._OverlappedFuture  # type: ignore[attr-defined]

_NULL = 0

# Starts the operation on the Overlapped object it is given, such as WSARecvFrom().
Post = Callable[[Any], None]

# The sockets of repaired transports, which are told of every error.
told_of_errors: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def complete_address(family: int, address: Any) -> Any:
    """*address* with the flow information and scope that an IPv6 socket address has.

    ``_overlapped`` takes a pair for an IPv4 address whatever the socket's family is; the socket
    module, and so SelectorEventLoop, fills in the zeros.
    """
    if family == socket.AF_INET6 and isinstance(address, tuple) and len(address) in (2, 3):
        return (*address, 0, 0)[:4]
    return address


def windows_error(number: int) -> OSError:
    """The exception that Python raises for the Windows error *number*."""
    return OSError(0, _overlapped.FormatMessage(number), None, number)


def post_receive(proactor: Any, sock: socket.socket, post: Post) -> asyncio.Future[Any]:
    """Start one receive; the future's outcome is its own, an OSError with Windows' own number.

    Raises OSError where it failed at once (gh-127057). IocpProactor.recvfrom() does the same but
    for two things that it hides: since 3.11.9 a completion with ERROR_PORT_UNREACHABLE is an empty
    datagram from nowhere (gh-156784), and the part of a datagram that fitted is all of it.
    """
    proactor._register_with_iocp(sock)
    ov = _overlapped.Overlapped(_NULL)
    post(ov)
    future: asyncio.Future[Any] = proactor._register(ov, sock, _whole_datagram)
    return future


def _whole_datagram(_transferred: Any, _key: Any, ov: Any) -> Any:
    result = ov.getresult()
    if ov.error == ERROR_MORE_DATA:
        raise windows_error(WSAEMSGSIZE)
    return result


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
