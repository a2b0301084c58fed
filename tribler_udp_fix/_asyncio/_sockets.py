"""A UDP socket with the options of another one: what follows it at its port is to be like it."""

from __future__ import annotations

import contextlib
import errno
import functools
import socket
import sys
from typing import Any, Iterable, Tuple

SocketOption = Tuple[int, int, int]  # level, name, value: as setsockopt() takes them

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
        "SO_EXCLUSIVEADDRUSE",
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


def family_of(host: str) -> socket.AddressFamily:
    """The family of a numeric *host*."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def new_socket(
    family: int, options: Iterable[SocketOption], kind: int = socket.SOCK_DGRAM, proto: int = 0
) -> socket.socket:
    """A non-blocking UDP socket with these *options*, not bound yet.

    It is all that can be done before an old socket is closed. Raises OSError, and leaves none then.
    """
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        for level, name, value in options:
            sock.setsockopt(level, name, value)
    except BaseException:  # an interrupt, too, must leave no socket behind
        sock.close()
        raise
    return sock


def give_up(sock: socket.socket) -> None:
    """Close *sock*, whose port another one of ours is to have, by ``bind_next()``."""
    if _CHILDREN_SHARE:
        with contextlib.suppress(OSError):  # a dead handle
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.close()


def bind_next(sock: socket.socket, address: Any) -> None:
    """Bind *sock* where one of ours was that ``give_up()`` has closed; raises OSError.

    A child that was forked since keeps that one open, and reads nothing from it: it is in nobody's
    way then. Another program keeps the port, unless it shares it with whoever wants it.
    """
    try:
        sock.bind(address)  # with the scope of an IPv6 one
    except OSError as exc:
        if not _CHILDREN_SHARE or exc.errno != errno.EADDRINUSE:
            raise
        usual = sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
        finally:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, usual)


# On Linux two UDP sockets that both say so may have one port, and the newer one hears: socket(7).
_CHILDREN_SHARE = sys.platform == "linux"
# The options by which others may be bound to the port, too.
_SHARING = {"win32": ("SO_REUSEADDR",), "linux": ("SO_REUSEPORT", "SO_REUSEADDR")}.get(
    sys.platform, ("SO_REUSEPORT",)
)


def shares_port(sock: Any) -> bool:
    """Whether others may be bound to the port of *sock* as well, and get some of what comes."""
    try:
        return any(sock.getsockopt(socket.SOL_SOCKET, getattr(socket, name)) for name in _SHARING)
    except (AttributeError, OSError):  # a system that has no such option, or no UDP socket
        return False


def hears_a_device_alone(sock: Any) -> bool:
    """Whether *sock* hears nothing of this machine: over IPv4 Linux has that come by loopback."""
    option = getattr(socket, "SO_BINDTODEVICE", None)
    if option is None or sock is None or sock.family != socket.AF_INET:
        return False
    try:
        return sock.getsockopt(socket.SOL_SOCKET, option, 16).rstrip(b"\0") not in (b"", b"lo")
    except OSError:  # a dead handle, which a probe that nobody hears will find out
        return False


def open_options(sock: Any) -> list[SocketOption]:
    """The options of *sock* that differ from those of a new socket, to be set on its successor.

    *sock* is a UDP socket, or asyncio's TransportSocket of one. Multicast groups cannot be asked
    for and are not among them. Raises OSError where *sock* is closed.
    """
    # Raises where every option below would look like one the system lacks.
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
    differing: list[SocketOption] = []
    for level, name, usual in _of_a_new_one(sock.family):
        value = _value(sock, level, name)
        if value is not None and value != usual:
            differing.append((level, name, value))
    return differing


@functools.lru_cache(maxsize=None)
def _of_a_new_one(family: int) -> tuple[tuple[int, int, int | None], ...]:
    """Level, name and value of every option of a new socket."""
    with socket.socket(family, socket.SOCK_DGRAM) as new:
        known = [
            (getattr(socket, level), getattr(socket, name))
            for level, names in _NAMES.items()
            for name in names
            if hasattr(socket, name)
        ]
        return tuple([(level, name, _value(new, level, name)) for level, name in known])


def _value(sock: Any, level: int, name: int) -> int | None:
    """The value of an option as setsockopt() takes it; None where *sock* has no such option."""
    try:
        value: int = sock.getsockopt(level, name)
    except OSError:
        return None
    return value // 2 if (level, name) in _DOUBLED else value
