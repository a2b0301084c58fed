"""What ``UDPEndpoint.open()`` of IPv8 should do (F13)."""

from __future__ import annotations

import asyncio
import logging
import socket
import weakref
from typing import Any

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._datagram import DatagramTransport
from tribler_udp_fix._asyncio._errors import number_of
from tribler_udp_fix._asyncio._interfaces import Interface
from tribler_udp_fix._asyncio._one_at_a_time import one_at_a_time
from tribler_udp_fix._asyncio._ports import IN_USE, is_about_the_port
from tribler_udp_fix._ipv8._adapters import interface_of
from tribler_udp_fix._ipv8._binding import bound_socket, socket_options
from tribler_udp_fix._ipv8._lan import know_lan_address
from tribler_udp_fix._ipv8._waiting import wait_for_socket

logger = logging.getLogger("tribler_udp_fix")

PORTS = 10_000  # that IPv8 documents to try, the one asked for among them
HIGHEST_PORT = 65_535

# A program that stops and starts: the old socket is closed a turn of the loop later, and Windows
# may take a moment more until its port is free.
AGAIN = 10  # tries of the port that was asked for
PAUSE = 0.002  # seconds

of_services: weakref.WeakSet[Any] = weakref.WeakSet()
"""The endpoints of IPv8 instances, whose communities send whether they are open or not."""

_asked: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()  # the port of each


def asked_for(endpoint: Any) -> tuple[str, int] | None:
    """The host and the port that the *endpoint* was to be opened at; None where IPv8 opened it."""
    port = _asked.get(endpoint)
    return None if port is None else (endpoint._ip, port)


async def open_endpoint(endpoint: Any) -> bool:
    """Open the IPv8 UDP *endpoint* on its port, or on the next one that is free.

    False where nothing could be bound: the reason is one line in the log, no socket is left, and
    the endpoint is closed and asks for the same port as before. But one of an IPv8 instance then
    counts as open, drops what is sent, and gets its socket as soon as that can be had: closed, it
    would raise an exception at its communities for each address that they hear of. Of two calls at
    the same time the second waits for the first.
    """
    async with one_at_a_time(endpoint):
        return endpoint._running or await _open(endpoint)


async def _open(endpoint: Any) -> bool:
    wanted = _asked[endpoint] = endpoint._port
    interface = interface_of(endpoint)
    try:
        sock = await _bind(endpoint, interface)
        endpoint._port = sock.getsockname()[1]
        endpoint._transport = await make_transport(endpoint, sock)
    except BaseException as exc:  # an interrupt, too, must leave the port as it was
        endpoint._port = wanted
        # UnicodeError, from a name that is none, is a ValueError.
        if not isinstance(exc, (OSError, ValueError, OverflowError)):
            raise
        COUNTERS.add("ipv8_endpoints_not_opened")
        name = type(endpoint).__name__
        place = endpoint._ip if interface is None else interface.name
        logger.error("%s is not open on %s, %s: %s", name, place, _tried(endpoint, exc), exc)
        return endpoint in of_services and await _open_without(endpoint, interface)
    endpoint._running = True
    if interface is not None:
        if isinstance(endpoint._transport, DatagramTransport):
            endpoint._transport.interface = interface
        know_lan_address(endpoint, endpoint._transport.get_extra_info("sockname"))
    return True


async def _open_without(endpoint: Any, interface: Interface | None) -> bool:
    """Open it without a socket; False where its event loop's transports are none of ours."""
    try:
        # A transport is made of a socket. This one is taken from it before it has heard anything.
        stand_in = bound_socket(socket.AF_INET, "127.0.0.1", 0, ())
        transport = await make_transport(endpoint, stand_in)
    except OSError:
        return False
    if not isinstance(transport, DatagramTransport):
        transport.abort()
        return False
    address = (endpoint._ip, endpoint._port)
    transport.begin_without(endpoint.SOCKET_FAMILY, address, socket_options(endpoint))
    transport.interface = interface
    endpoint._transport = transport
    endpoint._running = True
    wait_for_socket(endpoint)
    return True


async def _bind(endpoint: Any, interface: Interface | None) -> socket.socket:
    options = socket_options(endpoint)
    port, last, again = endpoint._port, _last_port(endpoint), AGAIN
    while True:
        try:
            return bound_socket(endpoint.SOCKET_FAMILY, endpoint._ip, port, options, interface)
        except OSError as exc:
            if not is_about_the_port(exc):
                raise
            if again and number_of(exc) in IN_USE:
                again -= 1
                await asyncio.sleep(PAUSE)
                continue
            if port >= last:
                raise
            again = 0
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
    if is_about_the_port(exc) and last > first:
        return f"ports {first} to {last}"
    return f"port {first}"
