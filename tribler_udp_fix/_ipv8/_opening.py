"""What ``UDPEndpoint.open()`` of IPv8 should do (F13)."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from typing import Any

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._errors import number_of
from tribler_udp_fix._ipv8._binding import bound_socket, socket_options
from tribler_udp_fix._ipv8._turns import one_at_a_time

logger = logging.getLogger("tribler_udp_fix")

PORTS = 10_000  # that IPv8 documents to try, the one asked for among them
HIGHEST_PORT = 65_535

# The errors that the next port may not have: it is in use; or it is not for us, as where Windows
# keeps ranges of ports for Hyper-V, or for somebody's SO_EXCLUSIVEADDRUSE.
_WSAEACCES, _WSAEADDRINUSE = 10013, 10048
_THIS_PORT = frozenset((errno.EADDRINUSE, errno.EACCES, _WSAEADDRINUSE, _WSAEACCES))


async def open_endpoint(endpoint: Any) -> bool:
    """Open the IPv8 UDP *endpoint* on its port, or on the next one that is free.

    False where nothing could be bound: the reason is one line in the log, no socket is left, and
    the endpoint is closed and asks for the same port as before. Of two calls at the same time the
    second waits for the first.
    """
    async with one_at_a_time(endpoint):
        return endpoint._running or await _open(endpoint)


async def _open(endpoint: Any) -> bool:
    wanted = endpoint._port
    try:
        sock = await _bind(endpoint)
        endpoint._port = sock.getsockname()[1]
        endpoint._transport = await make_transport(endpoint, sock)
    except BaseException as exc:  # an interrupt, too, must leave the port as it was
        endpoint._port = wanted
        # UnicodeError, from a name that is none, is a ValueError.
        if not isinstance(exc, (OSError, ValueError, OverflowError)):
            raise
        COUNTERS.add("ipv8_endpoints_not_opened")
        name = type(endpoint).__name__
        logger.error("%s is not open on %s, %s: %s", name, endpoint._ip, _tried(endpoint, exc), exc)
        return False
    endpoint._running = True
    return True


async def _bind(endpoint: Any) -> socket.socket:
    options = socket_options(endpoint)
    port, last = endpoint._port, _last_port(endpoint)
    while True:
        try:
            return bound_socket(endpoint.SOCKET_FAMILY, endpoint._ip, port, options)
        except OSError as exc:
            if not _is_about_the_port(exc) or port >= last:
                raise
        port += 1
        await asyncio.sleep(0)  # ten thousand times is long enough for others to notice


async def make_transport(endpoint: Any, sock: socket.socket) -> asyncio.DatagramTransport:
    """A transport for the endpoint, on *sock*, which is closed where that fails."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: endpoint, sock=sock)
    except asyncio.CancelledError:
        raise  # the loop has closed the transport, which closes the socket
    except BaseException:  # whatever it is, the socket has no other owner
        sock.close()
        raise
    return transport


def _last_port(endpoint: Any) -> int:
    first: int = endpoint._port
    if first == 0:  # any port: there is no next one
        return 0
    return min(first + PORTS - 1, HIGHEST_PORT)


def _tried(endpoint: Any, exc: BaseException) -> str:
    first, last = endpoint._port, _last_port(endpoint)
    if _is_about_the_port(exc) and last > first:
        return f"ports {first} to {last}"
    return f"port {first}"


def _is_about_the_port(exc: BaseException) -> bool:
    return isinstance(exc, OSError) and number_of(exc) in _THIS_PORT
