"""Simulate the heartbeat: 30 peers of which 10 leave each hour, on a network that loses datagrams.

``python3 -m tests.heartbeat`` prints the table of docs/peers.md: how fast those who left were
called gone, how often one who stayed was, and what one node pays; its exit status is 1 where one
was not called gone within 60 s, or one who stayed was. The clock is the simulation's own.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import sys
from typing import Iterator, NamedTuple

from tribler_udp_fix._peers._heartbeat_policy import Action, Input, PeerPolicy, PeerState

PEERS, LEAVE = 30, 10
HOUR = 3600.0
LIMIT = 60.0  # seconds within which one who left is called gone
PING, PONG, REQUEST = 33, 33, 192  # bytes of payload
RTT = 0.2  # seconds, at most


class Seen(NamedTuple):
    """What an hour, or many, has shown."""

    took: list[float]
    """Seconds until each peer who left was called gone; 0 for one who had been before it left."""
    false: int
    """How often one who stayed was called gone."""
    sent: float
    """Bytes of payload that a node sends for 30 peers who stay, a second."""
    received: float
    """The same of what they answer."""


class Peer:
    """One peer, which answers what reaches it while it is there, and has nothing else to say."""

    def __init__(self, dice: random.Random, loss: float, leaves: float) -> None:
        self.policy = PeerPolicy(dice.random, 0.0)
        self.policy.answers = True
        self.leaves = leaves
        self.went: float | None = None
        self.false = 0
        self.sent = self.received = 0
        self._dice, self._loss = dice, loss

    def step(self, now: float) -> float | None:
        """Take the policy's next step; the time at which an answer arrives, if one does."""
        before = self.policy.state
        action = self.policy.feed(Input.TIME, now)
        if self.policy.state is PeerState.GONE and before is not PeerState.GONE:
            if now < self.leaves:
                self.false += 1
            self.went = now
        if action is Action.WAIT:
            return None
        self.sent += PING if action is Action.PING else REQUEST
        there = now < self.leaves
        if not there or self._dice.random() < self._loss or self._dice.random() < self._loss:
            return None
        self.received += PONG
        return now + RTT * self._dice.random()


def hour(dice: random.Random, loss: float, in_use: bool) -> Seen:
    """One hour: a third of the peers leaves at a random moment of it."""
    leaves = [dice.uniform(60, 3500) for _ in range(LEAVE)] + [float("inf")] * (PEERS - LEAVE)
    peers = [Peer(dice, loss, at) for at in leaves]
    due = [(peer.policy.deadline, number, False) for number, peer in enumerate(peers)]
    heapq.heapify(due)
    while due[0][0] < HOUR:
        now, number, answered = heapq.heappop(due)
        peer = peers[number]
        if answered:
            if in_use:
                peer.policy.use(now)
            peer.policy.feed(Input.PROOF, now)
            continue
        if now >= peer.policy.deadline:
            answer = peer.step(now)
            if answer is not None:
                heapq.heappush(due, (answer, number, True))
        heapq.heappush(due, (peer.policy.deadline, number, False))
    stay, left = peers[LEAVE:], peers[:LEAVE]
    sent, received = (
        statistics.mean(bytes_of(peer) for peer in stay) * PEERS / HOUR
        for bytes_of in (lambda peer: peer.sent, lambda peer: peer.received)
    )
    took = [max(0.0, (peer.went or float("inf")) - peer.leaves) for peer in left]
    return Seen(took, sum(peer.false for peer in stay), sent, received)


def hours(count: int, loss: float, in_use: bool, seed: int = 0) -> Seen:
    """So many hours, one after the other."""
    dice = random.Random(seed)
    seen = [hour(dice, loss, in_use) for _ in range(count)]
    took = [seconds for one in seen for seconds in one.took]
    sent, received = (statistics.mean(column) for column in list(zip(*seen))[2:])
    return Seen(took, sum(one.false for one in seen), sent, received)


def table(count: int) -> Iterator[tuple[str, bool]]:
    """Each row of the table, and whether it is as promised."""
    for loss in (0.0, 0.05, 0.2):
        for in_use in (True, False):
            seen = hours(count, loss, in_use)
            late = sum(seconds > LIMIT for seconds in seen.took)
            row = (
                f"| {loss:.0%} | {'in use' if in_use else 'idle'} | {len(seen.took):,} "
                f"| {statistics.median(seen.took):.0f}, {max(seen.took):.0f} | {late} "
                f"| {seen.false} in {count * (PEERS - LEAVE):,} peer-hours "
                f"| {seen.sent:.0f}, {seen.received:.0f} |"
            )
            yield row, not late and not seen.false


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.heartbeat",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--hours", type=int, default=1000, help="simulated, for each row")
    arguments = parser.parse_args()
    print("| loss | the peers are | left | gone after, s (median, most) | later than 60 s ", end="")
    print("| falsely gone | sent, received for 30, bytes/s |")
    print("|---|---|---|---|---|---|---|")
    kept = True
    for row, as_promised in table(arguments.hours):
        print(row, flush=True)
        kept = kept and as_promised
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
