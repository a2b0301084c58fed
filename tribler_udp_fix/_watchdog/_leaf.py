"""What the watchdog asks of an endpoint, whichever class it is of."""

from __future__ import annotations

from typing import Any, Callable, Protocol

from tribler_udp_fix._asyncio._reader import Reading
from tribler_udp_fix._asyncio._rebound import Rebound


class Leaf(Protocol):
    """One endpoint with a socket of its own."""

    endpoint: Any
    rebinds: bool
    """Whether ``rebind()`` is to be called at all."""

    def is_open(self) -> bool:
        """Whether its owner has it open."""

    def is_bound(self) -> bool:
        """Whether it has a socket that nobody has given up, be it deaf."""

    def address(self) -> Any:
        """The address that it is bound to; raises OSError on a dead handle."""

    def heard(self) -> int:
        """The bytes that have reached its callback."""

    def transport(self) -> Any:
        """What holds its socket: another object for each socket, but not another ``id()``."""

    def reading(self) -> Reading:
        """What can be seen of its read."""

    def rearm(self) -> bool:
        """Make it read again in place; whether there was anything to do."""

    async def rebind(self) -> Rebound:
        """Give it another socket, bound where the old one was.

        Raises OSError when that cannot be bound: it then goes on without a socket, its sends
        queueing, until a later call succeeds. Raises EndpointGone when its owner closes it.
        """

    def attach(self, lost: Callable[[], None]) -> None:
        """Call *lost* when its transport says good-bye, where it has one that does."""

    def detach(self) -> None:
        """Leave no trace. Nobody will rebind it any more: without a socket it is closed."""

    @property
    def lost(self) -> int:
        """Datagrams lost so far for want of a socket."""
