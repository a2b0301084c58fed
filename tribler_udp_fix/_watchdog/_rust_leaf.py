"""The endpoint of ipv8-rust-tunnels, as the watchdog sees it.

Its socket is Rust's: nothing of the read can be seen, nothing can be armed again, and its
``is_open()`` only says that nobody closed it. A probe tells more. Reopening it has a price
(docs/rust-endpoint.md), so that a dead one is only reported unless ``rebind_rust`` is set.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import Any, Callable

from tribler_udp_fix._asyncio._interfaces import NoInterface
from tribler_udp_fix._asyncio._obstacles import in_words, obstacle
from tribler_udp_fix._asyncio._rebound import Rebound
from tribler_udp_fix._asyncio._sockets import family_of
from tribler_udp_fix._ipv8._adapters import ALL, chosen_for
from tribler_udp_fix._ipv8._binding import new_socket
from tribler_udp_fix._ipv8._bootstrapping import WayBack
from tribler_udp_fix._ipv8._lan import believes_in, find_lan_addresses, know_lan_address
from tribler_udp_fix._ipv8._rust_adapter import PARKED
from tribler_udp_fix._ipv8._rust_gap import RustGap
from tribler_udp_fix._ipv8._rust_reopen import Reopener, can_be_reopened
from tribler_udp_fix._ipv8._rust_state import no_panic
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._leaf import Leaf
from tribler_udp_fix._watchdog._probe import ListeningProber, Prober, ProbeSender

logger = logging.getLogger("tribler_udp_fix")


class RustLeaf(Leaf):
    """One endpoint with a socket of Rust's, which keeps its errors to itself."""

    def __init__(self, endpoint: Any, settings: Settings) -> None:
        self.endpoint = endpoint
        self._reopens = can_be_reopened(endpoint)
        self._interface = chosen_for(endpoint)
        self._may_be_rebound = settings.rebind_rust and self._reopens
        reopens = self._may_be_rebound or self._interface is not None
        self._reopener = Reopener(endpoint, settings) if reopens else None
        self._address: Any = None
        self._way_back = WayBack(endpoint)
        self._prober: ListeningProber | None = None
        self._was_open = self._rust_is_open()
        if settings.rebind_rust and not self._reopens:
            name = type(endpoint).__name__
            logger.warning("%s of this version cannot be reopened: it is only watched", name)

    def is_open(self) -> bool:
        """Whether its owner has it open.

        The owner's ``close()`` ends its tasks first. A Rust object that is closed while those go
        on was closed under it. That of 0.1.17 says for ever that it is open; from 0.1.53 on one
        may be opened again, but not its tasks.
        """
        ended = getattr(self.endpoint, "_shutdown", self._reopens)
        if self._rust_is_open():
            self._was_open = True
            return self._reopens or not ended
        return self._was_open and not ended

    def is_bound(self) -> bool:
        """Whether it has a Rust object that nobody has closed, and that can reach somebody."""
        has_one = not isinstance(self.endpoint.rust_ep, RustGap) and self._rust_is_open()
        return has_one and not self._is_parked()

    def address(self, asking: bool = True) -> Any:  # noqa: ARG002 - its socket is not to be seen
        """The address that it is bound to, a pair; raises OSError where there is none."""
        try:
            with no_panic():
                self._address = self.endpoint.get_address()
        except Exception as exc:  # EndpointClosedException, RustError, or a handle that is dead
            raise OSError(errno.EBADF, f"the Rust endpoint has no address: {exc}") from exc
        return self._address

    @property
    def interface(self) -> str:
        """The interface, by its name, whose addresses it follows; "" for none."""
        return self._interface.name if self._interface is not None else ""

    def is_elsewhere(self) -> bool:
        """Whether it is not where its interface is now."""
        if self._interface is None or not self.is_bound():
            return False
        host = str(self.address()[0])
        try:
            return self._interface.place(family_of(host)).nearest(host) != host
        except NoInterface:
            return False

    def _is_parked(self) -> bool:
        """Whether it waits for its interface, where nobody is reached; or was never moved there."""
        if self._interface is None:
            return False
        try:
            host = self.address()[0]
            if host in PARKED.values():
                return host not in self._interface.place(family_of(host)).hosts
        except NoInterface:
            return True
        except OSError:
            return False
        return host in ALL

    @property
    def rebinds(self) -> bool:
        """Whether it may be reopened: where that was asked for, or it is not where it belongs."""
        if self._may_be_rebound or self._reopener is None:
            return self._may_be_rebound
        return not self.is_bound() or self.is_elsewhere()

    def why_not(self) -> str:
        """Why it is not reopened, or ""."""
        return "" if self.rebinds else "rebind_rust is off"

    def obstacle(self, *, counts: bool = True) -> str:
        """Why it cannot be bound where it was, in words, or ""."""
        address = self._address
        bound = self.is_bound()
        if address is None or not (bound or self.rebinds):
            return ""
        family = family_of(address[0])
        make = lambda: new_socket(family, ())  # noqa: E731
        port = 0 if bound or self._is_parked() else address[1]
        exc = obstacle(make, family, address, port, self._interface)
        reopener = None if bound else self._reopener
        if exc is None or (reopener is not None and reopener.ports.failed(exc, counts)):
            return ""
        return in_words(exc, address)

    def heard(self) -> int:
        """The bytes that have reached its callback but for probes; those of tunnels stay in Rust.

        So it does not grow with an empty datagram, which Rust passes on to nobody.
        """
        probes = self._prober.bytes_heard if self._prober is not None else 0
        return int(self.endpoint.bytes_down) - probes

    def heard_bytes(self) -> int:
        """The same."""
        return max(0, self.heard())

    def socket(self) -> Any:
        """What holds its socket."""
        return self.endpoint.rust_ep

    def is_fine(self, sock: Any) -> bool:
        """Whether it is open, and *sock* is its socket; asked twice a second."""
        return self.endpoint.rust_ep is sock and self._rust_is_open()

    def is_gone(self) -> bool:
        """Whether it was closed under its owner."""
        return not self._rust_is_open()

    def prober(self, sender: ProbeSender, answered: Callable[[], None]) -> Prober:
        """What makes its probes, and routes them."""
        self._prober = ListeningProber(self.endpoint, sender, answered)
        return self._prober

    async def rebind(self) -> Rebound:
        """Reopen it where it belongs, and restore what it was told; see ``Reopener.reopen()``."""
        assert self._reopener is not None, "rebinds is False"
        address = self._address
        if self._interface is not None and address is not None:
            place = self._interface.place(family_of(address[0]))
            address = (place.nearest(address[0]), *address[1:])
        done = await self._reopener.reopen(self.is_open, address)
        if self._interface is not None:
            self.has_moved()
        return done

    def hears_again(self) -> None:
        """Have its communities without peers look for some at once."""
        self._way_back.begin()

    def has_moved(self) -> None:
        """Have its communities find out anew which address they have."""
        if self._interface is None:
            find_lan_addresses(self.endpoint)
            return
        with contextlib.suppress(OSError):
            know_lan_address(self.endpoint, self.address())

    def address_has_gone(self, host: str) -> None:
        """Have its communities look anew that tell their peers of this address."""
        if believes_in(self.endpoint, host):
            self.has_moved()

    def detach(self) -> None:
        """Leave no trace. Nobody will rebind it any more: without a socket it is closed."""
        self._way_back.stop()
        if self._reopener is not None:
            self._reopener.abandon()
            self._reopener = None

    @property
    def lost(self) -> int:
        """Datagrams lost so far for want of a socket."""
        return self._reopener.lost if self._reopener is not None else 0

    def _rust_is_open(self) -> bool:
        try:
            return bool(self.endpoint.is_open())
        except RuntimeError:  # "Already borrowed": it is being closed in another thread
            return False
