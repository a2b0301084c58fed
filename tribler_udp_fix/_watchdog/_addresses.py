"""Whether the machine's addresses have changed."""

from __future__ import annotations

import socket
import time
from typing import Callable, Tuple

# Documentation addresses (RFC 5737, RFC 3849). Connecting a UDP socket sends nothing: the system
# only chooses the address that it would send from.
_REMOTE = (
    (socket.AF_INET, ("192.0.2.1", 9)),
    (socket.AF_INET6, ("2001:db8::1", 9, 0, 0)),
)

Addresses = Tuple[str, ...]


def source_addresses() -> Addresses:
    """The addresses that the system would send from, IPv4 and IPv6; "" where there is no way out.

    It costs a few system calls and never blocks, which a list of every adapter's addresses may.
    """
    found = []
    for family, remote in _REMOTE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect(remote)
                found.append(sock.getsockname()[0])
        except OSError:
            found.append("")
    return tuple(found)


class AddressWatch:
    """Notices other addresses, once they have stayed for *settle* seconds.

    Looks every *interval* seconds: a laptop that changes networks has no address for a moment,
    then an IPv4 one, then an IPv6 one, and should be probed once.
    """

    def __init__(
        self,
        look: Callable[[], Addresses] = source_addresses,
        clock: Callable[[], float] = time.monotonic,
        interval: float = 1.0,
        settle: float = 1.0,
    ) -> None:
        self._look = look
        self._clock = clock
        self._interval = interval
        self._settle = settle
        self._known = self._seen = look()
        self._looked = self._since = clock()

    def look_soon(self) -> None:
        """Look when asked the next time, however soon that is."""
        self._looked = float("-inf")

    def changed(self) -> str:
        """What has changed, in words, since the last time that this was not ""."""
        now = self._clock()
        if now - self._looked < self._interval:
            return ""
        self._looked = now
        seen = self._look()
        if seen != self._seen:
            self._seen, self._since = seen, now
        if self._seen == self._known or now - self._since < self._settle:
            return ""
        before, self._known = self._known, self._seen
        return f"{_words(before)} -> {_words(self._known)}"


def _words(addresses: Addresses) -> str:
    return ", ".join(address or "none" for address in addresses)
