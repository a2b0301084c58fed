"""What ``RandomChurn`` of IPv8 should do: judge nobody while the node itself may be deaf (F16).

Its times stay: a peer is asked after 27.5 s of silence, again every 10 s, and dropped after 57.5 s.
But silence counts only while this node was able to hear. When it is again, those who are overdue
are asked first, in random order and as many at a time as ever, and each has the whole time.
"""

from __future__ import annotations

import random
import time
import weakref
from typing import Any

from tribler_udp_fix._peers import _refusals
from tribler_udp_fix._watchdog._proof import Proof, proof_of

USUAL = 3.0  # so many times the interval before it, and a step is late
LASTING = 600.0  # seconds of doubt about one family alone after which it is no gap any more


class Doubt:
    """Until when one churn's node could not be sure to hear, by ``time.time()``."""

    def __init__(self) -> None:
        self._until = {False: 0.0, True: 0.0}  # by whether it is about IPv6
        self._since: dict[bool, float] = {}  # the same, of those that there are now
        self._last: float | None = None
        self._interval = float("inf")

    def until(self, ipv6: bool) -> float:
        """When the doubt about the endpoints of this family ended last; 0.0 for never."""
        return self._until[ipv6]

    def look(self, now: float, limit: float, proofs: dict[bool, Proof | None]) -> set[bool]:
        """Take in how things are; returns the families in doubt: False is IPv4, True is IPv6.

        A step that comes *limit* seconds late, of a loop that was starved or a machine that slept,
        is a doubt as well: what was sent to it meanwhile is still to be read, or lost. So is a
        clock that was set back. But where one family is in doubt for long, and the other is not,
        this machine has it no more, as where a network has no IPv6: whoever was known there goes.
        """
        before, self._last = self._last, now
        doubted = {ipv6 for ipv6, proof in proofs.items() if _is_unsure(proof)}
        self._since = {ipv6: min(now, self._since.get(ipv6, now)) for ipv6 in doubted}
        for ipv6, since in self._since.items():
            other = proofs.get(not ipv6)
            if now > since + LASTING and other is not None and other.sure:
                doubted.discard(ipv6)
        if before is not None:
            interval, usual = now - before, self._interval
            self._interval = interval
            if interval < 0 or (interval > limit and interval > USUAL * usual):
                doubted = set(proofs)
        for ipv6 in doubted:
            self._until[ipv6] = now
        return doubted


_doubts: weakref.WeakKeyDictionary[Any, Doubt] = weakref.WeakKeyDictionary()


def should_drop(churn: Any, peer: Any) -> bool:
    """What replaces ``RandomChurn.should_drop()``."""
    doubt = _doubts.get(churn)
    since = doubt.until(_is_ipv6(peer)) if doubt is not None else 0.0
    return bool(time.time() > max(_last_heard(peer), since) + churn.drop_time)


def is_inactive(churn: Any, peer: Any) -> bool:
    """What replaces ``RandomChurn.is_inactive()``."""
    return bool(time.time() > _last_heard(peer) + churn.inactive_time)


def take_step(churn: Any) -> None:
    """What replaces ``RandomChurn.take_step()``."""
    with churn.walk_lock:
        network, pinged = churn.overlay.network, churn._pinged
        now = time.time()
        asked = _refusals.begin(churn)
        endpoint = getattr(churn.overlay, "endpoint", None)
        proofs = {ipv6: proof_of(endpoint, ipv6) for ipv6 in (False, True)}
        doubt = _doubts.setdefault(churn, Doubt())
        doubted = doubt.look(now, churn.ping_interval, proofs)
        for address in [one for one in pinged if _is_of_ipv6(one) in doubted]:
            del pinged[address]  # a ping whose answer could not be heard is no evidence
        unsure = {ipv6 for ipv6 in doubted if _is_unsure(proofs[ipv6])}
        for peer in _window(churn, doubt, unsure, now):
            proof = proofs[_is_ipv6(peer)]
            address = peer.address
            if churn.should_drop(peer) and _has_ignored(pinged.get(address), proof, now):
                network.remove_peer(peer)
                _refusals.unanswered(peer, pinged.pop(address))
            elif churn.is_inactive(peer) or len(peer.pings) < peer.pings.maxlen:
                if address in pinged and now > pinged[address] + churn.ping_interval:
                    _refusals.unanswered(peer, pinged.pop(address))
                if address not in pinged:
                    pinged[address] = now
                    asked.pings += 1
                    churn.overlay.send_ping(peer)


def _window(churn: Any, doubt: Doubt, unsure: set[bool], now: float) -> list[Any]:
    """The peers of one step: after a doubt those first that have not been asked since.

    Of the families that are *unsure* there is none: the answer could not be heard.
    """
    known, size = list(churn.overlay.network.verified_peers), churn.sample_size
    recent = {ipv6 for ipv6 in (False, True) if now < doubt.until(ipv6) + churn.drop_time}
    if not (unsure or recent):  # nearly always: nobody comes first, and IPv8 looks at none either
        return random.sample(known, min(len(known), size))
    first: list[Any] = []
    rest: list[Any] = []
    for peer in known:
        ipv6 = _is_ipv6(peer)
        if ipv6 in unsure:
            continue
        overdue = ipv6 in recent and peer.address not in churn._pinged and churn.is_inactive(peer)
        (first if overdue else rest).append(peer)
    window = random.sample(first, min(len(first), size))
    return window + random.sample(rest, min(len(rest), size - len(window)))


def _has_ignored(pinged: float | None, proof: Proof | None, now: float) -> bool:
    """Whether a peer was asked, and this node has heard something, be it a probe, since then."""
    if pinged is None:
        return False
    return proof is None or not proof.sure or proof.heard_ago <= now - pinged


def _is_unsure(proof: Proof | None) -> bool:
    return proof is not None and not proof.sure


def _last_heard(peer: Any) -> float:
    # 0: it was heard once, by the packet that it was made for, and never since (F17).
    return float(peer.last_response or peer.creation_time)


def _is_ipv6(peer: Any) -> bool:
    return _is_of_ipv6(peer.address)


def _is_of_ipv6(address: Any) -> bool:
    return ":" in str(address[0])
