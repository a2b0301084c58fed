"""From which addresses something has come since the last look.

It is kept by the address, and not by the peer, of which any number can be at one address.
"""

from __future__ import annotations

from typing import Any, Iterable

from tribler_udp_fix._peers._monitored import Monitored


class Traffic:
    """What has come since it was handed out last, from whomever."""

    def __init__(self) -> None:
        self._heard: dict[Any, bool] = {}  # whether any of it was more than a ping or its answer

    def clear(self) -> None:
        """Forget it."""
        self._heard.clear()

    def note(self, address: Any, uses: bool) -> None:
        """Take in a datagram; *uses*: it is more than a ping or its answer."""
        self._heard[address] = uses or self._heard.get(address, False)

    def hand_out(self, peers: Iterable[Monitored]) -> bool:
        """Tell *peers* of it, each by its addresses, and forget it; whether any was theirs."""
        heard, self._heard = self._heard, {}
        was_theirs = False
        for one in peers if heard else ():
            for address in one.peer.addresses.values():
                if address in heard:
                    was_theirs = one.was_heard = True
                    one.was_used = one.was_used or heard[address]
        return was_theirs
