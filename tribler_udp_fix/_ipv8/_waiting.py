"""An endpoint without a socket that no watchdog looks after: it waits until it can be bound."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from tribler_udp_fix._asyncio._datagram import DatagramTransport
from tribler_udp_fix._asyncio._obstacles import sockaddr_of
from tribler_udp_fix._asyncio._sockets import bind_next
from tribler_udp_fix._ipv8._binding import new_socket, socket_options
from tribler_udp_fix._ipv8._lan import forget_lan_addresses, know_lan_address

logger = logging.getLogger("tribler_udp_fix")

INTERVAL = 2.0  # seconds between two tries; each is a few system calls


def wait_for_socket(endpoint: Any) -> None:
    """Try to bind the IPv8 *endpoint* every two seconds, until it has a socket or is closed.

    While a watchdog looks after it, which is one of its transport's keepers, that does it instead.
    """
    transport = endpoint._transport
    if not any(isinstance(getattr(keep, "__self__", None), _Waiting) for keep in transport.keepers):
        _Waiting(endpoint, transport)


class _Waiting:
    def __init__(self, endpoint: Any, transport: DatagramTransport) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None
        self._transport.keepers += (self._ended,)
        self._schedule()

    def _schedule(self) -> None:
        self._timer = self._transport._loop.call_later(INTERVAL, self._try)

    def _ended(self) -> bool:
        """Its transport has died, or was closed: whoever asks keeps nothing alive by this."""
        self._stop()
        return False

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport = self._transport
        transport.keepers = tuple(keep for keep in transport.keepers if keep != self._ended)

    def _try(self) -> None:
        transport = self._transport
        if transport.is_closing() or transport.has_socket:
            self._stop()
            return
        try:
            if transport.keepers == (self._ended,) and self._bind():
                self._stop()
                return
        except Exception:  # of an endpoint of unknown make, in a timer's callback: Tribler crashes
            logger.exception("%r stays without a socket", self._endpoint)
            self._stop()
            return
        self._schedule()

    def _bind(self) -> bool:
        endpoint, transport = self._endpoint, self._transport
        try:
            address = sockaddr_of(endpoint.SOCKET_FAMILY, transport._sockname())
            sock = new_socket(endpoint.SOCKET_FAMILY, socket_options(endpoint))
        except OSError:
            return False
        try:
            if transport.interface is not None:
                address = transport.interface.take(sock, address)
            bind_next(sock, address)
        except (OSError, OverflowError):
            sock.close()
            return False
        before, endpoint._port = endpoint._port, sock.getsockname()[1]
        transport.resume(sock)
        if transport.interface is not None:
            know_lan_address(endpoint, sock.getsockname())
        elif endpoint._port != before:
            forget_lan_addresses(endpoint, before)
        name = type(endpoint).__name__
        logger.warning("%s is open on %s, port %d", name, address[0], endpoint._port)
        return True
