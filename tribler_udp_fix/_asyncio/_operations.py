"""Operations on UDP sockets: at once where that is possible, else overlapped."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio import windows_events
from typing import Any, Callable

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

import _overlapped

from tribler_udp_fix._asyncio._receiving import LARGEST_DATAGRAM

_NULL = 0
# To peek with: no room, so that nothing is copied and one serves all. An operation that fails at
# once may keep its hold of it (gh-143249), which costs nothing.
_NO_ROOM = bytearray()

# How to receive at once, by the name of IocpProactor's function. What recvfrom_into() calls flags
# is passed on as the size of the buffer, and loop.sock_recvfrom_into() hands over the size there.
RECEIVES: dict[str, Callable[[socket.socket, Any, int], Any]] = {
    "recv": lambda s, size, flags: s.recv(min(size, LARGEST_DATAGRAM), flags),
    "recv_into": lambda s, buf, flags: s.recv_into(buf, 0, flags),
    "recvfrom": lambda s, size, flags: s.recvfrom(min(size, LARGEST_DATAGRAM), flags),
    "recvfrom_into": lambda s, buf, size: s.recvfrom_into(buf, size),
}


def is_driven_by_hand(proactor: Any) -> bool:
    """Whether *proactor* is IocpProactor itself, whose operations are posted without its methods.

    A subclass may guard them, as qasync's does, which another thread polls.
    """
    return type(proactor) is windows_events.IocpProactor


def peek(proactor: Any, sock: socket.socket) -> asyncio.Future[Any]:
    """The future of something to receive, which is not received by it.

    Raises OSError where that fails at once: 10040 where there is something already. The future's
    outcome is an OSError, or nothing that matters.
    """
    if is_driven_by_hand(proactor):
        return post(proactor, sock, "WSARecvInto", _NO_ROOM, socket.MSG_PEEK)
    future: asyncio.Future[Any] = proactor.recv_into(sock, _NO_ROOM, socket.MSG_PEEK)
    return future


def post_send(
    proactor: Any, sock: socket.socket, data: Any, flags: int, *address: Any
) -> asyncio.Future[Any]:
    """Send one datagram overlapped; raises OSError if that fails at once."""
    to = [numeric_address(sock.family, each) for each in address]
    if is_driven_by_hand(proactor):
        return post(proactor, sock, "WSASendTo" if to else "WSASend", data, flags, *to)
    future: asyncio.Future[Any] = (
        proactor.sendto(sock, data, flags, *to) if to else proactor.send(sock, data, flags)
    )
    return future


def send(
    proactor: Any, sock: socket.socket, data: Any, flags: int, *address: Any
) -> asyncio.Future[Any] | None:
    """Send one datagram, to the *address* or the socket's peer; raises OSError if it fails at once.

    At once, as UDP does but where the socket's buffer is full, or would have to be waited for:
    None. An overlapped send that fails never frees its data, and can leave a completion behind.
    """
    if sock.gettimeout() != 0:
        return None
    try:
        sent = sock.sendto(data, flags, *address) if address else sock.send(data, flags)
    except BlockingIOError:
        return None
    done: asyncio.Future[Any] = proactor._result(sent)
    return done


def numeric_address(family: int, address: Any) -> Any:
    """*address* as ``_overlapped`` takes it; raises OSError where its name is none.

    ``_overlapped`` knows no names, and takes a pair for an IPv4 address whatever the socket's
    family is. The socket module, and so SelectorEventLoop, looks names up, which can keep the event
    loop waiting, and fills in the flow information and scope of an IPv6 address.
    """
    if not isinstance(address, tuple) or len(address) < 2 or not isinstance(address[0], str):
        return address
    host, port = address[:2]
    if isinstance(port, int) and not 0 <= port <= 0xFFFF:
        raise OverflowError("port must be 0-65535.")  # which _overlapped would cut off
    if family == socket.AF_INET and host in _SPECIAL:
        return (_SPECIAL[host], *address[1:])
    if ":" not in host and not host.replace(".", "").isdigit():
        host = str(socket.getaddrinfo(host or "::", 0, family, socket.SOCK_DGRAM)[0][4][0])
    if family == socket.AF_INET6:
        return (host, *address[1:], 0, 0)[:4]
    return (host, *address[1:])


_SPECIAL = {"": "0.0.0.0", "<broadcast>": "255.255.255.255"}


def post(proactor: Any, sock: socket.socket, name: str, *arguments: Any) -> asyncio.Future[Any]:
    """The future of the overlapped operation *name*; raises OSError if it fails at once.

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
    future: asyncio.Future[Any] = proactor._register(ov, sock, result_of)
    return future


def result_of(_transferred: Any, _key: Any, ov: Any) -> Any:
    """The result of a completed operation; raises OSError.

    IocpProactor hides one thing from a receive: since 3.11.9 a completion with
    ERROR_PORT_UNREACHABLE is an empty datagram from nowhere (gh-156784).
    """
    return ov.getresult()
