"""What the watchdogs of one event loop share: its ticks, its wake-up, the clocks, the addresses."""

from __future__ import annotations

import asyncio
import collections
import weakref
from typing import Any, Protocol

from tribler_udp_fix._asyncio._wakeup import renew_wakeup, wakeup_fault
from tribler_udp_fix._watchdog._addresses import AddressWatch
from tribler_udp_fix._watchdog._clocks import SleepClock
from tribler_udp_fix._watchdog._events import EventKind, logger
from tribler_udp_fix._watchdog._notices import notices
from tribler_udp_fix._watchdog._policy import Input
from tribler_udp_fix._watchdog._probe import ProbeSender

WAKEUP_PAUSE = 5.0  # seconds between two new pairs of wake-up sockets
RESUME_PAUSE = 5.0  # seconds, in which the clocks and the system tell of the same resume
LATE = 0.02  # seconds; ticks that are later than this are remembered
REMEMBERED = 100  # late ticks


class Member(Protocol):
    """A watchdog, as its surroundings see it."""

    tick: float
    """Seconds between two looks that it wants, at most."""

    def look(self, now: float) -> None:
        """Look at the endpoints."""

    def tell(self, kind: EventKind, cause: str, alarm: Input | None) -> None:
        """Something happened to the loop or the machine, which may be an *alarm* to endpoints."""

    def tell_address(self, address: str, there: bool) -> None:
        """The machine has this *address* now, or has it no more."""


class Surroundings:
    """One for each event loop that has a watchdog; it ticks while there is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sender = ProbeSender()
        self.lag = 0.0  # seconds by which the last tick was late
        self.wakeups_renewed = 0
        self.sleep_clock = SleepClock()
        self.addresses = AddressWatch()
        self._notices = notices(loop, self)
        self._resumed_at = float("-inf")
        self._loop = loop
        self._members: list[Member] = []
        self._every = float("inf")  # seconds between two ticks
        self._late: collections.deque[tuple[float, float]] = collections.deque(maxlen=REMEMBERED)
        self._timer: asyncio.TimerHandle | None = None
        self._wakeup_due = float("-inf")
        self._blind = False

    def join(self, member: Member) -> None:
        """Tick for *member* as well."""
        self._members.append(member)
        if member.tick < self._every:
            self._every = member.tick
            if self._timer is not None:
                self._timer.cancel()
            self._schedule()

    def leave(self, member: Member) -> None:
        """Tick for it no more; the last one to leave ends it all."""
        self._members.remove(member)
        self._every = min((other.tick for other in self._members), default=float("inf"))
        if not self._members:
            assert self._timer is not None
            self._timer.cancel()
            self.sender.close()
            self._notices.close()
            _of_loop.pop(self._loop, None)

    def was_late(self, since: float, limit: float) -> bool:
        """Whether a tick after *since* was late by more than *limit* seconds."""
        return any(at > since and lag > limit for at, lag in self._late)

    def _schedule(self) -> None:
        self._timer = self._loop.call_at(self._loop.time() + self._every, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        assert self._timer is not None
        self.lag = max(0.0, now - self._timer.when())
        if self.lag > LATE:
            self._late.append((now, self.lag))
        self._schedule()
        try:
            self._look_around(now)
        except Exception:  # of a loop or machine of unknown make; the endpoints come all the same
            if not self._blind:
                self._blind = True
                logger.exception("could not look at the event loop and the machine")
        for member in list(self._members):
            member.look(now)

    def _look_around(self, now: float) -> None:
        fault = wakeup_fault(self._loop) if now >= self._wakeup_due else None
        if fault is not None:
            # A driver that cuts each new pair as well must not keep the loop at it.
            self._wakeup_due = now + WAKEUP_PAUSE
            renew_wakeup(self._loop)
            self.wakeups_renewed += 1
            self._tell(EventKind.WAKEUP_RENEWED, fault)
        jump = self.sleep_clock.jumped()
        if jump:
            self._resumed_at = now
            self._tell(EventKind.RESUMED, f"the clock jumped by {jump:.1f} s", Input.JUMPED)
        changed = self.addresses.changed()
        if changed:
            self._tell(EventKind.ADDRESSES, changed, Input.MOVED)

    def _tell(self, kind: EventKind, cause: str, alarm: Input | None = None) -> None:
        for member in list(self._members):
            member.tell(kind, cause, alarm)

    def address_changed(self, host: str, there: bool) -> None:
        """The system tells that the address *host* has come, or gone."""
        for member in list(self._members):
            member.tell_address(host, there)

    def interface_changed(self) -> None:
        """The system tells that an adapter has changed: look for another way out at once."""
        self.addresses.look_soon()

    def resumed(self) -> None:
        """The system tells that the machine has resumed."""
        now = self._loop.time()
        if now - self._resumed_at >= RESUME_PAUSE:
            self._resumed_at = now
            self.sleep_clock.jumped()  # so that the next look does not tell of it again
            self._tell(EventKind.RESUMED, "the system tells that it has resumed", Input.JUMPED)


_of_loop: weakref.WeakKeyDictionary[Any, Surroundings] = weakref.WeakKeyDictionary()


def surroundings_of(loop: asyncio.AbstractEventLoop) -> Surroundings:
    """The surroundings that every watchdog on *loop* shares."""
    if loop not in _of_loop:
        _of_loop[loop] = Surroundings(loop)
    return _of_loop[loop]
