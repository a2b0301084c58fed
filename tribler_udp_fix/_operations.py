"""Overlapped operations on UDP sockets, posted to asyncio's Proactor."""

from __future__ import annotations

import asyncio
import socket
import sys
import weakref
from typing import Any, Callable

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

import _overlapped

from tribler_udp_fix._errors import ERROR_MORE_DATA, WSAEMSGSIZE

_NULL = 0

# Starts the operation on the Overlapped object it is given, such as WSARecvFrom().
Post = Callable[[Any], None]

# The sockets of repaired transports, which are told of every error.
told_of_errors: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def windows_error(number: int) -> OSError:
    """The exception that Python raises for the Windows error *number*."""
    return OSError(0, _overlapped.FormatMessage(number), None, number)


def complete_address(family: int, address: Any) -> Any:
    """*address* with the flow information and scope that an IPv6 socket address has.

    ``_overlapped`` takes a pair for an IPv4 address whatever the socket's family is; the socket
    module, and so SelectorEventLoop, fills in the zeros.
    """
    if family == socket.AF_INET6 and isinstance(address, tuple) and len(address) in (2, 3):
        return (*address, 0, 0)[:4]
    return address


def start(proactor: Any, sock: socket.socket, post: Post) -> Any:
    """Start an operation and return its Overlapped object; raises OSError if it fails at once.

    A datagram that is too large fails the call, yet a completion can follow, because its status
    is a warning. asyncio has freed the Overlapped object by then, and takes the completion for
    "an unexpected event", or for that of the next object at the same address. So the object of
    a failed call stays in the proactor's care for one more poll, which ends it either way.
    """
    proactor._register_with_iocp(sock)
    ov = _overlapped.Overlapped(_NULL)
    try:
        post(ov)
    except OSError:
        over = proactor._loop.create_future()
        over.cancel()
        proactor._cache[ov.address] = (over, ov, sock, None)
        proactor._unregister(ov)
        raise
    return ov


def post_once(proactor: Any, sock: socket.socket, post: Post) -> asyncio.Future[Any]:
    """Start an operation whose outcome is its future's: the result, or Windows' own OSError.

    Raises OSError where it failed at once (gh-127057). IocpProactor's functions do the same but
    for two things that they hide from a receive: since 3.11.9 a completion with
    ERROR_PORT_UNREACHABLE is an empty datagram from nowhere (gh-156784), and the part of a
    datagram that fitted is all of it.
    """
    ov = start(proactor, sock, post)
    future: asyncio.Future[Any] = proactor._register(ov, sock, _whole_result)
    return future


def _whole_result(_transferred: Any, _key: Any, ov: Any) -> Any:
    result = ov.getresult()
    if ov.error == ERROR_MORE_DATA:
        raise windows_error(WSAEMSGSIZE)
    return result
