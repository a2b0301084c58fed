"""A UDP socket for an IPv8 endpoint: made, configured and bound by our own code.

IPv8's own leaks a socket for each bind that fails. Ours leaks none, and is the same for an
endpoint's first socket and for each that follows.
"""

from __future__ import annotations

import socket
import sys
from typing import Any, Iterable

from tribler_udp_fix._asyncio import _sockets
from tribler_udp_fix._asyncio._icmp_errors import prevent_icmp_errors
from tribler_udp_fix._asyncio._interfaces import Interface
from tribler_udp_fix._asyncio._sockets import SocketOption
from tribler_udp_fix._settings import current_settings

# What UDPEndpoint has asked for since before 2.10, and keeps in _sockopts since 3.2.
_BEFORE_3_2 = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 870_400),)


def bound_socket(
    family: int,
    address: str,
    port: int,
    options: Iterable[SocketOption],
    interface: Interface | None = None,
) -> socket.socket:
    """A non-blocking UDP socket with these *options*, bound to *address* and *port*.

    With an *interface* it sends by that one alone, and its address is one of that one's.

    On Windows the address is the socket's alone (SO_EXCLUSIVEADDRUSE), unless *options* ask to
    share it, and ICMP errors are switched off where Windows can, unless ``count_refused_pings`` is
    on: no IPv8 endpoint listens to them.

    Raises OSError where an option is refused or the address cannot be bound (socket.gaierror where
    it is none, NoInterface where the interface is not there), OverflowError where *port* is not 0
    to 65535. No socket is left behind then.
    """
    sock = new_socket(family, options)
    try:
        target = (address, port) if interface is None else interface.take(sock, (address, port))
        sock.bind(target)
    except BaseException:  # an interrupt, too, must leave no socket behind
        sock.close()
        raise
    return sock


def new_socket(family: int, options: Iterable[SocketOption]) -> socket.socket:
    """The same, not bound yet."""
    options = list(options)
    if sys.platform == "win32":
        names = [name for level, name, value in options if level == socket.SOL_SOCKET and value]
        if socket.SO_REUSEADDR not in names:  # Windows refuses the one after the other
            options.append((socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1))
    sock = _sockets.new_socket(family, options)
    if not current_settings().count_refused_pings:
        prevent_icmp_errors(sock)
    return sock


def socket_options(endpoint: Any) -> list[SocketOption]:
    """The options that the IPv8 UDP *endpoint* sets on a new socket, in its order.

    From pyipv8 3.2 an endpoint says so itself; UDPv6Endpoint then has IPV6_V6ONLY among them.
    """
    options: Iterable[SocketOption] = getattr(endpoint, "_sockopts", _BEFORE_3_2)
    return list(options)
