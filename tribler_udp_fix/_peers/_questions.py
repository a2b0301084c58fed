"""The questions that a peer is asked, and what answers them: stock messages of IPv8's.

The ping is that of the discovery community: 33 bytes, answered by a full peer as well, with its
identifier of 16 bits as our nonce. The introduction request is signed, of 192 bytes, and answered
by whoever takes peers. IPv8 looks at each answer as well, and leaves alone what it has not asked.
"""

from __future__ import annotations

import random
import struct
from typing import Any, NamedTuple

DISCOVERY = "ipv8.peerdiscovery.community.DiscoveryCommunity"
PING_CACHE = "discoverypingcache"  # PingRequestCache.name
PREFIX = 22
PING, PONG = 3, 4
PING_LENGTH = PREFIX + 1 + 8 + 2
WAITS = 30.0  # seconds for which an answer to a ping is taken
OUTSTANDING = 10_000  # pings that are remembered
OTHERS = 1000  # identifiers ahead of the global time that are left to IPv8's own pings


class _Ping(NamedTuple):
    whom: Any
    address: Any
    at: float
    prefix: bytes


class Questions:
    """What one IPv8 instance asks its peers. Times are in seconds, of the caller's clock."""

    def __init__(self, ipv8: Any) -> None:
        self.sent = self.answered = 0
        self._ipv8 = ipv8
        self._discovery: Any = None
        self._pings: dict[int, _Ping] = {}  # by identifier, in order

    def renew(self) -> None:
        """Look for the discovery community, which its program may load at any time."""
        self._discovery = next(filter(_is_discovery, self._ipv8.overlays), None)

    def ask(self, whom: Any, peer: Any, now: float, *, introduce: bool) -> bool:
        """Ask *peer*, by a ping or to *introduce* somebody; where one cannot be, by the other.

        False where neither can be, and nothing was sent.
        """
        if introduce:
            return self.introduce(peer) or self.ping(whom, peer.address, now)
        return self.ping(whom, peer.address, now) or self.introduce(peer)

    def ping(self, whom: Any, address: Any, now: float) -> bool:
        """Send *whom*, at *address*, a ping; False where there is no discovery community."""
        discovery = self._discovery
        if discovery is None:
            return False
        self._forget(now)
        number = self._number(discovery)
        data = struct.pack(">BQH", PING, discovery.global_time, number)
        prefix = discovery.get_prefix()
        self._pings[number] = _Ping(whom, tuple(address), now, prefix)
        self.sent += 1
        discovery.endpoint.send(address, prefix + data)
        return True

    def introduce(self, peer: Any) -> bool:
        """Send *peer* an introduction request of a community that it has too; False for none."""
        services = self._ipv8.network.get_services_for_peer(peer)
        shared = [one for one in self._ipv8.overlays if _id_of(one) in services]
        for overlay in sorted(shared, key=lambda one: not _is_discovery(one))[:1]:
            overlay.walk_to(peer.address)
        return bool(shared)

    def answer(self, source: Any, data: bytes, now: float) -> tuple[Any, float] | None:
        """Whom a datagram proves to be there, by a ping of ours, and its round trip in seconds.

        It has to come from where the ping was sent to, and from the community that it was sent by.
        """
        if len(data) != PING_LENGTH or data[PREFIX] != PONG or not self._pings:
            return None
        number = int.from_bytes(data[-2:], "big")
        ping = self._pings.get(number)
        if ping is None or ping.address != tuple(source) or now > ping.at + WAITS:
            return None
        if not data.startswith(ping.prefix):
            return None
        del self._pings[number]
        self.answered += 1
        return ping.whom, now - ping.at

    def is_heartbeat(self, data: bytes) -> bool:
        """Whether it is a ping or an answer to one, by which nobody does anything with a peer."""
        discovery = self._discovery
        return (
            len(data) == PING_LENGTH
            and data[PREFIX] in (PING, PONG)
            and discovery is not None
            and data.startswith(discovery.get_prefix())
        )

    def _number(self, discovery: Any) -> int:
        while True:
            number = random.randrange(65_536)
            is_ahead = (number - discovery.global_time) % 65_536 < OTHERS
            taken = number in self._pings or discovery.request_cache.has(PING_CACHE, number)
            if not (is_ahead or taken):
                return number

    def _forget(self, now: float) -> None:
        while self._pings:
            oldest = next(iter(self._pings))
            if now <= self._pings[oldest].at + WAITS and len(self._pings) < OUTSTANDING:
                break
            del self._pings[oldest]


def claimed_key(data: bytes) -> bytes:
    """Whose datagram it says it is: the key behind the first ``PREFIX`` + 1 bytes, and a length."""
    begin = PREFIX + 1 + 2
    return data[begin : begin + int.from_bytes(data[PREFIX + 1 : begin], "big")]


def is_signed_by(peer: Any, data: bytes) -> bool:
    """Whether *peer* has signed the datagram, which takes 0.3 ms to say; not when, nor for whom."""
    key = peer.public_key
    length = key.get_signature_length()
    try:
        return bool(key.verify(data[-length:], data[:-length]))
    except Exception:  # of a key's own library: it is not signed
        return False


def _is_discovery(overlay: Any) -> bool:
    return any(f"{cls.__module__}.{cls.__name__}" == DISCOVERY for cls in type(overlay).__mro__)


def _id_of(overlay: Any) -> Any:
    return getattr(overlay, "community_id", None)
