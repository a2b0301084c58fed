"""What each time of the peer monitor costs and gains: one node with 30 peers, for simulated hours.

On a network that loses every fifth datagram, which is the worst that the monitor is to bear.
"""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from tests import heartbeat
from tribler_udp_fix._peers import _heartbeat_policy as policy

from . import study
from .assumptions import Assumed
from .study import Estimate

LOSS = 0.2
HOURS = 20  # of each run
SWEPT: dict[str, tuple[Any, ...]] = {
    "IN_USE": (7.5, 15.0, 30.0, 60.0),
    "IDLE": (15.0, 25.0, 50.0, 100.0),
    "LAST": (0, 3, 7, 15, 30),
    "SILENCE": (11.0, 22.0, 44.0, 88.0),
}
# For what is its own reason: who is in use is asked about sooner.
_IDLE = ("IDLE",)
STAY = heartbeat.PEERS - heartbeat.LEAVE
_ELSE = "where it is not swept: "
ASSUMED: tuple[Assumed, ...] = (
    Assumed("PEERS", heartbeat.PEERS, "peers of a node, which say nothing but their answers"),
    Assumed("LEAVE", heartbeat.LEAVE, "of them that leave within each hour"),
    Assumed("LOSS", LOSS, "share of the datagrams that is lost, each way"),
    Assumed("RTT", heartbeat.RTT, "seconds until an answer is back, at most"),
    Assumed("HOURS", HOURS, f"simulated in each run: {HOURS * STAY} peer-hours of those who stay"),
    Assumed("IN_USE", policy.IN_USE, _ELSE + "seconds of silence until a peer is asked"),
    Assumed(
        "IDLE", policy.IDLE, "the same of peers that are not in use, as all are where it is swept"
    ),
    Assumed("LAST", policy.LAST, _ELSE + "pings after the introduction request, one a second"),
    Assumed("SILENCE", policy.SILENCE, _ELSE + "seconds, at least, until a peer has gone"),
)


class Cost(NamedTuple):
    """One value of one of the times, in one run."""

    seconds: float  # until one who left is called gone, the median
    false: float  # who stayed and was called gone, in 1,000 peer-hours
    a_second: float  # bytes of payload, sent and received, for 30 peers


def sweep(time: str, seeds: int) -> dict[float, dict[str, Estimate]]:
    """Each value of one time, the others as they are: the figures of Cost."""
    return study.sweep(SWEPT[time], seeds, lambda value, seed: cost(time, value, HOURS, seed))


def cost(time: str, value: float, hours: int, seed: int) -> Cost:
    """So many simulated hours with this *value*."""
    usual = getattr(policy, time)
    setattr(policy, time, value)
    try:
        seen = heartbeat.hours(hours, LOSS, in_use=time not in _IDLE, seed=seed)
    finally:
        setattr(policy, time, usual)
    median = statistics.median(seen.took)
    return Cost(median, 1000 * seen.false / (hours * STAY), seen.sent + seen.received)
