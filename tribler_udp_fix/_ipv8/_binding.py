"""A UDP socket for an IPv8 endpoint: made, configured and bound by our own code.

IPv8's own leaks a socket for each bind that fails. Ours leaks none, and is the same for an
endpoint's first socket and for each that follows.
"""

from __future__ import annotations

import socket
import sys
from typing import Any, Iterable, Tuple

from tribler_udp_fix._asyncio._icmp_errors import prevent_icmp_errors

SocketOption = Tuple[int, int, int]  # level, name, value: as setsockopt() takes them

# What UDPEndpoint has asked for since before 2.10, and keeps in _sockopts since 3.2.
_BEFORE_3_2 = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 870_400),)

# Linux answers with twice what was asked for, since its bookkeeping is in there too: socket(7).
_DOUBLED = (
    {(socket.SOL_SOCKET, socket.SO_RCVBUF), (socket.SOL_SOCKET, socket.SO_SNDBUF)}
    if sys.platform.startswith("linux")
    else frozenset()
)

# What a program may have set on its endpoint's socket, where the system has it.
_NAMES = {
    "SOL_SOCKET": (
        "SO_RCVBUF",
        "SO_SNDBUF",
        "SO_BROADCAST",
        "SO_DONTROUTE",
        "SO_PRIORITY",
        "SO_REUSEADDR",
        "SO_REUSEPORT",
    ),
    "IPPROTO_IP": (
        "IP_TTL",
        "IP_TOS",
        "IP_MULTICAST_IF",
        "IP_MULTICAST_LOOP",
        "IP_MULTICAST_TTL",
    ),
    "IPPROTO_IPV6": (
        "IPV6_V6ONLY",
        "IPV6_TCLASS",
        "IPV6_UNICAST_HOPS",
        "IPV6_MULTICAST_HOPS",
        "IPV6_MULTICAST_IF",
        "IPV6_MULTICAST_LOOP",
    ),
}


def bound_socket(
    family: int, address: str, port: int, options: Iterable[SocketOption]
) -> socket.socket:
    """A non-blocking UDP socket with these *options*, bound to *address* and *port*.

    On Windows the address is the socket's alone (SO_EXCLUSIVEADDRUSE), unless *options* ask to
    share it, and ICMP errors are switched off where Windows can: no IPv8 endpoint listens to them.

    Raises OSError where an option is refused or the address cannot be bound (socket.gaierror where
    it is none), OverflowError where *port* is not 0 to 65535. No socket is left behind then.
    """
    sock = new_socket(family, options)
    try:
        sock.bind((address, port))
    except BaseException:  # an interrupt, too, must leave no socket behind
        sock.close()
        raise
    return sock


def new_socket(family: int, options: Iterable[SocketOption]) -> socket.socket:
    """The same, not bound yet: all that can be done before an old socket is closed."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        shared = False
        for level, name, value in options:
            sock.setsockopt(level, name, value)
            shared |= (level, name) == (socket.SOL_SOCKET, socket.SO_REUSEADDR) and bool(value)
        if sys.platform == "win32" and not shared:  # Windows refuses the one after the other
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        prevent_icmp_errors(sock)
    except BaseException:  # an interrupt, too, must leave no socket behind
        sock.close()
        raise
    return sock


def socket_options(endpoint: Any) -> list[SocketOption]:
    """The options that the IPv8 UDP *endpoint* sets on a new socket, in its order.

    From pyipv8 3.2 an endpoint says so itself; UDPv6Endpoint then has IPV6_V6ONLY among them.
    """
    options: Iterable[SocketOption] = getattr(endpoint, "_sockopts", _BEFORE_3_2)
    return list(options)


def open_options(sock: Any) -> list[SocketOption]:
    """The options of *sock* that differ from those of a new socket, to be set on its successor.

    *sock* is a UDP socket, or asyncio's TransportSocket of one. Multicast groups cannot be asked
    for and are not among them. Raises OSError where *sock* is closed.
    """
    sock.getsockname()  # raises where every option below would look like one the system lacks
    differing: list[SocketOption] = []
    with socket.socket(sock.family, socket.SOCK_DGRAM) as new:
        for level_name, names in _NAMES.items():
            level: int = getattr(socket, level_name)
            for name in (getattr(socket, name) for name in names if hasattr(socket, name)):
                value = _value(sock, level, name)
                if value is not None and value != _value(new, level, name):
                    differing.append((level, name, value))
    return differing


def _value(sock: Any, level: int, name: int) -> int | None:
    """The value of an option as setsockopt() takes it; None where *sock* has no such option."""
    try:
        value: int = sock.getsockopt(level, name)
    except OSError:
        return None
    return value // 2 if (level, name) in _DOUBLED else value
