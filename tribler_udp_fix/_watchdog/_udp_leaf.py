"""IPv8's ``UDPEndpoint`` and ``UDPv6Endpoint``, as the watchdog sees them."""

from __future__ import annotations

from typing import Any, Callable

from tribler_udp_fix._asyncio._reader import Reading, reading_of, rearm
from tribler_udp_fix._asyncio._rebound import Rebound
from tribler_udp_fix._ipv8._gap import Gap
from tribler_udp_fix._ipv8._rebind import Rebinder
from tribler_udp_fix._settings import Settings


class UdpLeaf:
    """One endpoint on a transport of asyncio's."""

    rebinds = True

    def __init__(self, endpoint: Any, settings: Settings) -> None:
        self.endpoint = endpoint
        self._rebinder = Rebinder(endpoint, settings.gap_queue, settings.allow_port_change)

    def is_open(self) -> bool:
        """Whether its owner has it open."""
        return bool(self.endpoint.is_open())

    def is_bound(self) -> bool:
        """Whether it has a socket that nobody has given up."""
        transport = self.endpoint._transport
        return not isinstance(transport, Gap) and not transport.is_closing()

    def address(self) -> Any:
        """The address that it is bound to; raises OSError on a dead handle."""
        return self.endpoint._transport.get_extra_info("socket").getsockname()

    def heard(self) -> int:
        """A number that changes with every datagram that reaches the endpoint's callback: bytes."""
        return int(self.endpoint.bytes_down)

    def transport(self) -> Any:
        """What holds its socket."""
        return self.endpoint._transport

    def reading(self) -> Reading:
        """What can be seen of its read."""
        return reading_of(self.endpoint._transport)

    def rearm(self) -> bool:
        """Make it read again in place; whether there was anything to do."""
        return rearm(self.endpoint._transport)

    async def rebind(self) -> Rebound:
        """Give it another socket; raises what ``Rebinder.rebind()`` raises."""
        return await self._rebinder.rebind()

    def attach(self, lost: Callable[[], None]) -> None:
        """Call *lost* when its transport says good-bye: a send after that would be in vain."""
        told = vars(self.endpoint).get("connection_lost")
        if not isinstance(told, _ConnectionLost):  # else another watchdog's, which is told as well
            told = self.endpoint.connection_lost = _ConnectionLost(self.endpoint)
        told.watching[self] = lost

    def detach(self) -> None:
        """Leave no trace. Nobody will rebind it any more: without a socket it is closed."""
        told = vars(self.endpoint).get("connection_lost")
        if isinstance(told, _ConnectionLost):
            told.watching.pop(self, None)
            if not told.watching:
                del self.endpoint.connection_lost
        self._rebinder.abandon()

    @property
    def lost(self) -> int:
        """Datagrams lost so far for want of a socket."""
        return self._rebinder.lost


class _ConnectionLost:
    """An endpoint's ``connection_lost()``, which tells those who watch it as well."""

    def __init__(self, endpoint: Any) -> None:
        self.watching: dict[UdpLeaf, Callable[[], None]] = {}
        self._endpoint = endpoint

    def __call__(self, exc: Exception | None) -> None:
        type(self._endpoint).connection_lost(self._endpoint, exc)
        for lost in list(self.watching.values()):
            lost()
