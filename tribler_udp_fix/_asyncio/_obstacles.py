"""Why a UDP socket cannot be bound, found by trying, and told in words that help."""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any, Callable

from tribler_udp_fix._asyncio._errors import number_of
from tribler_udp_fix._asyncio._interfaces import Interface, NoInterface
from tribler_udp_fix._asyncio._ports import IN_USE
from tribler_udp_fix._asyncio._sockets import bind_next

_NOT_HERE = frozenset((errno.EADDRNOTAVAIL, 10049))
_RESERVED = 10013  # where Windows keeps ranges of ports for Hyper-V, or for an administrator
_NO_FAMILY = frozenset((errno.EAFNOSUPPORT, 10047))

MakeSocket = Callable[[], socket.socket]


def is_about_the_address(exc: BaseException) -> bool:
    """Whether the address is not there to be bound, whichever the port."""
    return isinstance(exc, OSError) and number_of(exc) in _NOT_HERE | _NO_FAMILY


def in_words(exc: BaseException, address: Any) -> str:
    """What keeps a socket from *address*, by the error that binding it raised."""
    host, port = address[0], address[1]
    if isinstance(exc, NoInterface):
        return str(exc)
    if isinstance(exc, OSError) and not isinstance(exc, socket.gaierror):
        number = number_of(exc)
        if number in _NOT_HERE:
            return f"its address {host} is not on this machine"
        if number in _NO_FAMILY:
            return f"{'IPv6' if ':' in host else 'IPv4'} is switched off on this machine"
        if number in IN_USE:
            return f"another program has port {port}"
        if number == _RESERVED:
            return f"Windows has reserved port {port}"
        if number == errno.EACCES and sys.platform != "win32":
            return f"this user may not have port {port}"
    return " ".join(f"{type(exc).__name__}: {exc}".split())


def sockaddr_of(family: int, address: Any) -> Any:
    """*address* as a socket of *family* takes it, its scope a number; asks no name server.

    Raises OSError where its host is none, as where an interface of that name is not there.
    """
    host, port = address[0], address[1]
    if not host or len(address) > 2:
        return address
    try:
        found: Any = socket.getaddrinfo(
            host, None, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST
        )
    except socket.gaierror as exc:
        if "%" in host:
            raise OSError(errno.EADDRNOTAVAIL, str(exc)) from exc
        raise
    numeric = found[0][4]
    return (numeric[0], port, *numeric[2:])


def obstacle(
    make: MakeSocket, family: int, address: Any, port: int, interface: Interface | None = None
) -> Exception | None:
    """What keeps a socket from being bound to the host of *address* at *port*; None for nothing.

    *make* returns a socket as it would be bound; with *port* 0 no port is in anybody's way. With an
    *interface* the host is that one's. It costs a few system calls, and nothing is sent.
    """
    try:
        target = sockaddr_of(family, address)
        with make() as trial:
            if interface is not None:
                target = interface.take(trial, target)
            bind_next(trial, (target[0], port, *target[2:]))
    except (OSError, ValueError, OverflowError) as exc:  # a host, or a port, that is none
        return exc
    return None
