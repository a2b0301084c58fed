"""What the watchdog asks of an endpoint, whichever class it is of."""

from __future__ import annotations

import abc
from typing import Any, Callable

from tribler_udp_fix._asyncio._rebound import Rebound
from tribler_udp_fix._asyncio._reporting import Failing
from tribler_udp_fix._watchdog._probe import Prober, ProbeSender


class Leaf(abc.ABC):
    """One endpoint with a socket of its own.

    What has an answer here is answered so by an endpoint of which no more can be seen.
    """

    endpoint: Any
    """What its owner knows it as: an endpoint of IPv8's, or a transport."""

    ends = False
    """Whether one that its owner has closed will never be opened again."""

    has_peers = True
    """Whether somebody is sure to send to it before long, as to an endpoint of IPv8's."""

    @property
    def is_connected(self) -> bool:
        """Whether it hears one peer alone, so that no probe reaches it."""
        return False

    @property
    def kind(self) -> str:
        """What it is, in a word: the class of the endpoint, or of the transport's protocol."""
        return type(self.endpoint).__name__

    @property
    def rebinds(self) -> bool:
        """Whether ``rebind()`` is to be called at all."""
        return not self.why_not()

    @abc.abstractmethod
    def why_not(self) -> str:
        """Why it is not given another socket, or ""."""

    @abc.abstractmethod
    def is_open(self) -> bool:
        """Whether its owner has it open."""

    @abc.abstractmethod
    def is_bound(self) -> bool:
        """Whether it has a socket that nobody has given up, be it deaf."""

    def has_socket(self) -> bool:
        """The same of one that is open, as far as is known: asked by any thread."""
        return self.is_bound() and self.is_open()

    @abc.abstractmethod
    def address(self, asking: bool = True) -> Any:
        """The address that it is bound to, or shall be; raises OSError on a dead handle.

        Without *asking* the system again, which is a system call, where its socket is the same.
        """

    def configured(self) -> Any:
        """The host and the port that its owner asked for, as far as that is known; or None."""
        return None

    @abc.abstractmethod
    def heard(self) -> int:
        """A number that grows with what has reached its callback, and with nothing else."""

    @abc.abstractmethod
    def heard_bytes(self) -> int:
        """The bytes that have reached its callback; asked by any thread."""

    @abc.abstractmethod
    def socket(self) -> Any:
        """Its socket: another object for each, but not another ``id()``."""

    def reading(self) -> bool:
        """False where it can be seen that nothing reads: the reader has died."""
        return True

    def errors(self) -> dict[int, int]:
        """How many errors of each number it was told of; asked by any thread."""
        return {}

    @abc.abstractmethod
    def obstacle(self, *, counts: bool = True) -> str:
        """Why it cannot be bound where it is, in words; "" where it can.

        Of one that has its socket only the address is tried, for its port is its own. It *counts*
        as a failure to bind the port, but where that is what has just failed.
        """

    @property
    @abc.abstractmethod
    def interface(self) -> str:
        """The interface, by its name, whose addresses it follows; "" for none."""

    @abc.abstractmethod
    def is_elsewhere(self) -> bool:
        """Whether its socket is not where its interface is now: it has another address."""

    def failing(self) -> Failing | None:
        """Since when every send has failed, how many did, and why; None where one left.

        Only of what no peer can be to blame for: the network, the firewall, the system.
        """
        return None

    @abc.abstractmethod
    def is_fine(self, sock: Any) -> bool:
        """Whether it is open, *sock* is its socket, and it reads; asked twice a second."""

    def is_undisturbed(self) -> bool:
        """Whether nothing at all has happened since it was fine, as far as that costs nothing."""
        return False

    def is_gone(self) -> bool:
        """Whether its socket was closed under its owner, and it has not said so."""
        return False

    def is_behind(self) -> bool:
        """Whether it has something to read, and waits for its share of the event loop."""
        return False

    def rearm(self) -> bool:
        """Make it read again in place; whether there was anything to do."""
        return False

    @abc.abstractmethod
    async def rebind(self) -> Rebound:
        """Give it another socket, bound where the old one was.

        Raises OSError when that cannot be bound: it then goes on without a socket, its sends
        queueing, until a later call succeeds. Raises EndpointGone when its owner closes it.
        """

    @abc.abstractmethod
    def prober(self, sender: ProbeSender, answered: Callable[[], None]) -> Prober:
        """What makes its probes, and calls *answered* when one of them was heard."""

    def hears_again(self) -> None:
        """It hears, or sends, as it could not for a while: its peers may have gone meanwhile."""

    def has_moved(self) -> None:
        """The machine has other addresses, or it has another port that its owner chose."""

    def address_has_gone(self, host: str) -> None:
        """The machine has the address *host* no more, be it this one's or not."""

    def attach(self, lost: Callable[[], None]) -> None:
        """Call *lost* when its socket has died, where it has one that can be seen to."""

    @abc.abstractmethod
    def detach(self) -> None:
        """Leave no trace. Nobody will rebind it any more: without a socket it is closed."""

    @property
    @abc.abstractmethod
    def lost(self) -> int:
        """Datagrams lost so far for want of a socket."""
