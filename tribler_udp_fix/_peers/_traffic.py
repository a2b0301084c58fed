"""From which peers' addresses something has come since the last look.

It is kept by the address, and not by the peer, of which any number can be at one address.
"""

from __future__ import annotations

from typing import Any, Iterable

from tribler_udp_fix._peers._monitored import Monitored


class Traffic:
    """What has come from the addresses of the peers of the last look, and of nobody else."""

    def __init__(self) -> None:
        self._addresses: set[Any] = set()
        self._heard: dict[Any, bool] = {}  # whether any of it was more than a ping or its answer

    def clear(self) -> None:
        """Know nobody."""
        self._addresses.clear()
        self._heard.clear()

    def is_known(self, address: Any) -> bool:
        """Whether a peer was at *address* at the last look."""
        return address in self._addresses

    def note(self, address: Any, uses: bool) -> None:
        """Take in a datagram from an address that is known; *uses*: it is of the peer's use."""
        self._heard[address] = uses or self._heard.get(address, False)

    def hand_out(self, peers: Iterable[Monitored]) -> bool:
        """Tell *peers* of it, and know their addresses from now on; whether there was any."""
        heard, self._heard = self._heard, {}
        self._addresses = set()
        for one in peers:
            for address in one.peer.addresses.values():
                self._addresses.add(address)
                if address in heard:
                    one.was_heard = True
                    one.was_used = one.was_used or heard[address]
        return bool(heard)
