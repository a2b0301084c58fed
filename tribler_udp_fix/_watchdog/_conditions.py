"""What ails an endpoint that hears: nothing that it sends leaves, or no peer is heard.

They stand beside the policy's states, which tell of hearing alone: an endpoint that hears may be
able to send or not, and one that cannot hear, too.
"""

from __future__ import annotations

import errno
import logging
import time
from typing import Callable

from tribler_udp_fix._asyncio._reporting import Failing
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._events import EventKind
from tribler_udp_fix._watchdog._hearing import Hearing
from tribler_udp_fix._watchdog._leaf import Leaf
from tribler_udp_fix._watchdog._policy import Input

FAILING = 3.0  # seconds in which every send fails, before it is told
FAILURES = 3  # and as many sends, for one may go to somewhere that nobody can reach

FORBIDDEN = frozenset((10013, errno.EACCES, errno.EPERM))  # what a firewall answers

_FIREWALL = "let the firewalls of this computer and of its router allow UDP to its port"

Tell = Callable[[int, EventKind, str], object]


class Conditions:
    """Of one endpoint; *tell* is told.

    *alert* is called with ``Input.MUTE`` once for each time that no send leaves, where another
    socket may help. ``is_excused()`` tells whether it may be without a peer, as an endpoint of
    IPv6 may where IPv4 hears some.
    """

    def __init__(
        self,
        leaf: Leaf,
        hearing: Hearing,
        settings: Settings,
        tell: Tell,
        alert: Callable[[Input], object],
    ) -> None:
        self._leaf = leaf
        self._hearing = hearing
        self._silence = 60.0 * settings.no_peer_minutes if leaf.has_peers else 0.0
        self._tell = tell
        self._alert = alert
        self.is_excused: Callable[[], bool] = lambda: False
        self._failing = ""
        self._alone = ""

    @property
    def words(self) -> str:
        """What ails it, in words, or ""."""
        return self._failing or self._alone

    @property
    def name(self) -> str:
        """The event that has told of it; "connected" where no probe can; or ""."""
        if self._failing:
            return EventKind.CANNOT_SEND.value
        if self._alone:
            return EventKind.NO_PEER.value
        return "connected" if self._leaf.is_connected else ""

    def end(self) -> None:
        """Its owner has closed it: what ailed it is over, and nobody is told."""
        self._failing = self._alone = ""

    def hears_peers(self, now: float) -> bool:
        """Whether a peer was heard of late."""
        heard = self._hearing.peer_last is not None
        return heard and bool(self._silence) and now - self._hearing.peer_at <= self._silence

    def look(self, now: float, healthy: bool) -> None:
        """Look, by the loop's clock; *healthy* says that the endpoint hears its probes."""
        failing = self._leaf.failing()
        if failing is not None or self._failing:
            self._look_at_sends(failing)
        if self._silence and (self._alone or now - self._hearing.peer_at > self._silence):
            self._look_for_peers(now, healthy)

    def _look_at_sends(self, failing: Failing | None) -> None:
        if failing is None:
            self._failing = ""
            self._tell(logging.WARNING, EventKind.SENDS_AGAIN, "a datagram has left")
            self._leaf.hears_again()
            return
        lasts = time.monotonic() - failing.since >= FAILING
        if not self._failing and lasts and failing.count >= FAILURES:
            forbidden = failing.number in FORBIDDEN
            advice = "let a firewall allow this program" if forbidden else "is there a network?"
            self._failing = f"every send fails: {failing.why}; {advice}"
            self._tell(logging.WARNING, EventKind.CANNOT_SEND, self._failing)
            if not forbidden and not self._leaf.obstacle():
                self._alert(Input.MUTE)

    def _look_for_peers(self, now: float, healthy: bool) -> None:
        silent = now - self._hearing.peer_at > self._silence
        if self._alone and not silent:
            self._alone = ""
            self._tell(logging.WARNING, EventKind.PEER_HEARD, "a peer was heard")
        elif healthy and silent and not self._alone and not self.is_excused():
            minutes = f"{self._silence / 60.0:g} minutes"
            self._alone = f"it hears itself, but no peer for {minutes}: {_FIREWALL}"
            self._tell(logging.WARNING, EventKind.NO_PEER, self._alone)
