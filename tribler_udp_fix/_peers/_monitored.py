"""One peer under watch, as its monitor knows it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tribler_udp_fix._peers._heartbeat_policy import IN_USE, PAUSE, PeerPolicy, PeerState
from tribler_udp_fix._peers._questions import is_signed_by

SMOOTHING = 0.125  # the share of a round trip in its mean, RFC 6298's


class Monitored:
    """*peer*, an IPv8 ``Peer`` that has just been heard, at *now* by the monitor's clock."""

    def __init__(self, peer: Any, now: float) -> None:
        self.peer = peer
        self.policy = PeerPolicy(random.random, now)
        self.rtt: float | None = None
        self.heard_at = now
        self.was_heard = False  # since the last look
        self.was_used = False
        self.watched = True  # until IPv8's network knows it no more, or the monitor stops
        self.unasked = False  # the last question could not be sent
        self.held = False  # a verdict waits, since nobody at all is heard
        self.asking: list[asyncio.Future[None]] = []
        self._verified = float("-inf")

    @property
    def is_ipv6(self) -> bool:
        """Whether it is asked over IPv6."""
        return ":" in str(self.peer.address[0])

    def is_at(self, address: Any) -> bool:
        """Whether *address* is one of its own."""
        return address in self.peer.addresses.values()

    def answered(self, rtt: float) -> None:
        """Take in the round trip of an answer to a ping, in seconds."""
        self.policy.answers = True
        self.rtt = rtt if self.rtt is None else self.rtt + SMOOTHING * (rtt - self.rtt)

    def has_signed(self, data: bytes, now: float) -> bool:
        """Whether it has signed the datagram that has its key, where it is time to look again."""
        pause = IN_USE if self.policy.state is PeerState.ALIVE else PAUSE
        if now < self._verified + pause:
            return False
        self._verified = now
        return is_signed_by(self.peer, data)
