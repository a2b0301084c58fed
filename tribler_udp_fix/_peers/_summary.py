"""How all peers of one IPv8 instance are doing, in numbers and in words."""

from __future__ import annotations

import collections

from tribler_udp_fix._peers._heartbeat_policy import PeerState
from tribler_udp_fix._peers._monitored import Monitored
from tribler_udp_fix._peers._peer_events import PeerEventKind, PeersStatus
from tribler_udp_fix._peers._questions import Questions


def status_of(
    peers: list[Monitored],
    questions: Questions,
    events: dict[PeerEventKind, int],
    doubted: bool,
) -> PeersStatus:
    """The status of *peers*; *doubted*: their node is in doubt of its own ears."""
    counts = collections.Counter(one.policy.state for one in peers)
    rtts = sorted(one.rtt for one in peers if one.rtt is not None)
    return PeersStatus(
        alive=counts[PeerState.ALIVE],
        quiet=counts[PeerState.QUIET],
        suspect=counts[PeerState.SUSPECT],
        gone=counts[PeerState.GONE],
        median_rtt=rtts[len(rtts) // 2] if rtts else None,
        pings=questions.sent,
        answers=questions.answered,
        went=events[PeerEventKind.GONE],
        returned=events[PeerEventKind.RETURNED],
        reason=_reason(counts, doubted),
    )


def _reason(counts: collections.Counter[PeerState], doubted: bool) -> str:
    if doubted:
        return "you cannot hear: this node is not sure of its own ears, and judges no peer"
    silent = counts[PeerState.SUSPECT] + counts[PeerState.GONE]
    if silent and not counts[PeerState.ALIVE] and not counts[PeerState.QUIET]:
        return "the network is quiet: nothing is wrong with this node's ears, but no peer answers"
    return ""
