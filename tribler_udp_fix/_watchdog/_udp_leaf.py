"""IPv8's ``UDPEndpoint`` and ``UDPv6Endpoint``, as the watchdog sees them."""

from __future__ import annotations

import socket
from typing import Any, Sequence

from tribler_udp_fix._asyncio._datagram import DatagramTransport, Maker
from tribler_udp_fix._asyncio._rebound import Rebound
from tribler_udp_fix._asyncio._sockets import SocketOption
from tribler_udp_fix._asyncio._transports import adopt
from tribler_udp_fix._ipv8._adapters import interface_of
from tribler_udp_fix._ipv8._binding import new_socket
from tribler_udp_fix._ipv8._bootstrapping import WayBack
from tribler_udp_fix._ipv8._error_counts import errors_of
from tribler_udp_fix._ipv8._lan import believes_in, find_lan_addresses, forget_lan_addresses
from tribler_udp_fix._ipv8._opening import asked_for
from tribler_udp_fix._ipv8._waiting import wait_for_socket
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._transport_leaf import TransportLeaf


class UdpLeaf(TransportLeaf):
    """One endpoint of IPv8's on a transport of asyncio's, which its owner may close and open."""

    ends = False
    has_peers = True

    def __init__(self, endpoint: Any, settings: Settings) -> None:
        super().__init__(endpoint, settings, interface=interface_of(endpoint))
        self._way_back = WayBack(endpoint)

    @property
    def kind(self) -> str:
        """Its class."""
        return type(self.endpoint).__name__

    def is_open(self) -> bool:
        """Whether its owner has it open."""
        return bool(self.endpoint.is_open())

    def configured(self) -> Any:
        """The host and the port that it was to be opened at."""
        return asked_for(self.endpoint)

    def errors(self) -> dict[int, int]:
        """How many errors of each number it was told of, through whichever transport."""
        return errors_of(self.endpoint)

    async def rebind(self) -> Rebound:
        """Give it another socket; its communities learn of another port."""
        endpoint = self.endpoint
        before = endpoint._port
        done = await super().rebind()
        endpoint._port = done.port
        if self.interface:
            self.has_moved()
        elif done.port != before:
            forget_lan_addresses(endpoint, before)
        return done

    def hears_again(self) -> None:
        """Have its communities without peers look for some at once."""
        self._way_back.begin()

    def has_moved(self) -> None:
        """Have its communities find out anew which address they have."""
        find_lan_addresses(self.endpoint)

    def address_has_gone(self, host: str) -> None:
        """Have its communities look anew that tell their peers of this address."""
        if believes_in(self.endpoint, host):
            self.has_moved()

    def detach(self) -> None:
        """Leave no trace; without a socket it goes on to wait for one."""
        self._way_back.stop()
        super().detach()

    def _abandon(self, transport: DatagramTransport) -> None:
        """Leave it open, as its communities know it: it drops what is sent until it is bound."""
        if self._is_wanted() and not transport._loop.is_closed():
            wait_for_socket(self.endpoint)
        else:
            transport.abort()

    def _current(self) -> Any:
        return self.endpoint._transport

    def _enter(self, transport: DatagramTransport) -> None:
        if transport is None or not self.endpoint.is_open():
            return
        ours = adopt(transport, self._settings)
        if ours is None:
            raise TypeError(f"{transport!r} is no datagram transport of asyncio's own event loops")
        ours.maker = Maker.ASYNCIO  # IPv8, or our open(), made it: the next one is like it
        super()._enter(ours)

    @property
    def _port_failures(self) -> float:
        return self._settings.port_failures  # its communities tell their peers of another port

    def _is_wanted(self) -> bool:
        return self.is_open() and self.endpoint._transport is self._known

    def _next_socket(self, family: int, options: Sequence[SocketOption]) -> socket.socket:
        return new_socket(family, options)
