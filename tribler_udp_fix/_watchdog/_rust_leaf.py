"""The endpoint of ipv8-rust-tunnels, as the watchdog sees it.

Its socket is Rust's: nothing of the read can be seen, nothing can be armed again, and its
``is_open()`` only says that nobody closed it. A probe tells more. Reopening it has a price
(docs/rust-endpoint.md), so that a dead one is only reported unless ``rebind_rust`` is set.
"""

from __future__ import annotations

import errno
import logging
from typing import Any, Callable

from tribler_udp_fix._asyncio._reader import Reading
from tribler_udp_fix._asyncio._rebound import Rebound
from tribler_udp_fix._ipv8._rust_gap import RustGap
from tribler_udp_fix._ipv8._rust_reopen import Reopener, can_be_reopened
from tribler_udp_fix._ipv8._rust_state import no_panic
from tribler_udp_fix._settings import Settings

logger = logging.getLogger("tribler_udp_fix")


class RustLeaf:
    """One endpoint with a socket of Rust's."""

    def __init__(self, endpoint: Any, settings: Settings) -> None:
        self.endpoint = endpoint
        self._reopens = can_be_reopened(endpoint)
        self.rebinds = settings.rebind_rust and self._reopens
        self._reopener = Reopener(endpoint, settings) if self.rebinds else None
        self._address: Any = None
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
        """Whether it has a Rust object that nobody has closed."""
        return not isinstance(self.endpoint.rust_ep, RustGap) and self._rust_is_open()

    def address(self) -> Any:
        """The address that it is bound to, a pair; raises OSError where there is none."""
        try:
            with no_panic():
                self._address = self.endpoint.get_address()
        except Exception as exc:  # EndpointClosedException, RustError, or a handle that is dead
            raise OSError(errno.EBADF, f"the Rust endpoint has no address: {exc}") from exc
        return self._address

    def heard(self) -> int:
        """The bytes that have reached its callback; those of tunnels stay in Rust."""
        return int(self.endpoint.bytes_down)

    def transport(self) -> Any:
        """What holds its socket."""
        return self.endpoint.rust_ep

    def reading(self) -> Reading:
        """GONE where it was closed under its owner. Of the read itself nothing can be seen."""
        return Reading.UNKNOWN if self._rust_is_open() else Reading.GONE

    def rearm(self) -> bool:
        """False: there is nothing that could be armed again from outside."""
        return False

    async def rebind(self) -> Rebound:
        """Reopen it where it was, and restore what it was told; see ``Reopener.reopen()``."""
        assert self._reopener is not None, "rebinds is False"
        return await self._reopener.reopen(self.is_open, self._address)

    def attach(self, lost: Callable[[], None]) -> None:
        """Nothing: its socket is Rust's, which tells nobody."""

    def detach(self) -> None:
        """Leave no trace. Nobody will rebind it any more: without a socket it is closed."""
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
