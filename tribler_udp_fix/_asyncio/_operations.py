"""Operations on UDP sockets: at once where that is possible, else overlapped."""

from __future__ import annotations

import asyncio
import socket
import sys
import weakref
from typing import Any, Callable, NamedTuple

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

import _overlapped

from tribler_udp_fix._asyncio._errors import ERROR_MORE_DATA, WSAEMSGSIZE

_NULL = 0

# No UDP datagram is larger, so that a transport's 256 KiB are not allocated to look for one.
LARGEST_DATAGRAM = 65_535


class Receive(NamedTuple):
    """One way to receive: the method of a socket, and that of an Overlapped object."""

    at_once: Callable[[socket.socket, Any, int], Any]
    overlapped: str


# By the name of IocpProactor's function. What recvfrom_into() calls flags is passed on as the
# size of the buffer, and loop.sock_recvfrom_into() hands over the size there.
RECEIVES: dict[str, Receive] = {
    "recv": Receive(lambda s, size, flags: s.recv(min(size, LARGEST_DATAGRAM), flags), "WSARecv"),
    "recv_into": Receive(lambda s, buf, flags: s.recv_into(buf, 0, flags), "WSARecvInto"),
    "recvfrom": Receive(
        lambda s, size, flags: s.recvfrom(min(size, LARGEST_DATAGRAM), flags), "WSARecvFrom"
    ),
    "recvfrom_into": Receive(lambda s, buf, size: s.recvfrom_into(buf, size), "WSARecvFromInto"),
}

# The sockets of repaired transports, which are told of every error.
told_of_errors: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def windows_error(number: int) -> OSError:
    """The exception that Python raises for the Windows error *number*."""
    return OSError(0, _overlapped.FormatMessage(number), None, number)


def receive(
    proactor: Any, sock: socket.socket, kind: str, space: Any, flags: int
) -> asyncio.Future[Any]:
    """Receive one datagram; raises OSError where that fails at once (gh-127057).

    *kind* is a key of ``RECEIVES``, *space* its number of bytes or its buffer. The future's
    outcome is the operation's own, an OSError with Windows' own number.
    """
    try:
        received = receive_now(sock, kind, space, flags)
    except BlockingIOError:
        if isinstance(space, int):
            space = min(space, LARGEST_DATAGRAM)
        return post(proactor, sock, RECEIVES[kind].overlapped, space, flags)
    done: asyncio.Future[Any] = proactor._result(received)
    return done


def receive_now(sock: socket.socket, kind: str, space: Any, flags: int) -> Any:
    """What waits in the socket; raises OSError, BlockingIOError where nothing does.

    Always before an overlapped receive: ``_overlapped`` never frees the buffer, 256 KiB for a
    transport, of a WSARecvFrom() that fails at once, as each does that finds an ICMP error.
    """
    if sock.gettimeout() != 0:  # it would wait
        raise BlockingIOError
    return RECEIVES[kind].at_once(sock, space, flags)


def send(
    proactor: Any, sock: socket.socket, data: Any, flags: int, *address: Any
) -> asyncio.Future[Any]:
    """Send one datagram, to the *address* or the socket's peer; raises OSError if it fails at once.

    At once, as UDP does but where the socket's buffer is full: an overlapped send that fails never
    frees its data, and can leave a completion behind.
    """
    try:
        if sock.gettimeout() != 0:
            raise BlockingIOError
        sent = sock.sendto(data, flags, *address) if address else sock.send(data, flags)
    except BlockingIOError:
        pass
    else:
        done: asyncio.Future[Any] = proactor._result(sent)
        return done
    return post_send(proactor, sock, data, flags, *address)


def post_send(
    proactor: Any, sock: socket.socket, data: Any, flags: int, *address: Any
) -> asyncio.Future[Any]:
    """Send one datagram overlapped; raises OSError if that fails at once."""
    if not address:
        return post(proactor, sock, "WSASend", data, flags)
    return post(proactor, sock, "WSASendTo", data, flags, complete_address(sock.family, *address))


def complete_address(family: int, address: Any) -> Any:
    """*address* with the flow information and scope that an IPv6 socket address has.

    ``_overlapped`` takes a pair for an IPv4 address whatever the socket's family is; the socket
    module, and so SelectorEventLoop, fills in the zeros.
    """
    if family == socket.AF_INET6 and isinstance(address, tuple) and len(address) in (2, 3):
        return (*address, 0, 0)[:4]
    return address


def start(proactor: Any, sock: socket.socket, name: str, *arguments: Any) -> Any:
    """Start the operation *name* of an Overlapped object, and return that object.

    Raises OSError if it fails at once.

    A datagram that is too large fails the call, yet a completion can follow, because its status
    is a warning. asyncio has freed the Overlapped object by then, and takes the completion for
    "an unexpected event", or for that of the next object at the same address. So the object of
    a failed call stays in the proactor's care for one more poll, which ends it either way.
    """
    proactor._register_with_iocp(sock)
    ov = _overlapped.Overlapped(_NULL)
    try:
        getattr(ov, name)(sock.fileno(), *arguments)
    except OSError:
        over = proactor._loop.create_future()
        over.cancel()
        proactor._cache[ov.address] = (over, ov, sock, None)
        proactor._unregister(ov)
        raise
    return ov


def post(proactor: Any, sock: socket.socket, name: str, *arguments: Any) -> asyncio.Future[Any]:
    """The future of an overlapped operation; raises OSError if it fails at once."""
    ov = start(proactor, sock, name, *arguments)
    future: asyncio.Future[Any] = proactor._register(ov, sock, whole_result)
    return future


def whole_result(_transferred: Any, _key: Any, ov: Any) -> Any:
    """The result of a completed operation; raises OSError, also for a truncated datagram.

    IocpProactor hides two things from a receive: since 3.11.9 a completion with
    ERROR_PORT_UNREACHABLE is an empty datagram from nowhere (gh-156784), and the part of a
    datagram that fitted is all of it.
    """
    result = ov.getresult()
    if ov.error == ERROR_MORE_DATA:
        raise windows_error(WSAEMSGSIZE)
    return result
