"""One endpoint under watch: tells the policy what happens to it, and does what the policy says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import Any, Iterator

from tribler_udp_fix._asyncio._reader import Reading
from tribler_udp_fix._asyncio._rebound import EndpointGone
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._events import Event, EventKind, Telling, logger
from tribler_udp_fix._watchdog._hearing import Hearing
from tribler_udp_fix._watchdog._leaf import Leaf
from tribler_udp_fix._watchdog._policy import (
    REBIND_TIMEOUT,
    Action,
    Input,
    Limits,
    Policy,
    State,
)
from tribler_udp_fix._watchdog._probe import Prober
from tribler_udp_fix._watchdog._rebound import Rebound
from tribler_udp_fix._watchdog._surroundings import Surroundings

# A loop that is late by this share of a probe's time may have kept the probe waiting.
LAG = 0.5

AGAIN = 60.0  # seconds until an endpoint is looked at again that nobody could look at

_DEAF = (State.REARMING, State.REBINDING, State.BACKING_OFF)


class Watch:
    """Watches one endpoint, from ``start()`` to ``stop()``, on the loop's own thread."""

    def __init__(
        self, leaf: Leaf, settings: Settings, around: Surroundings, telling: Telling
    ) -> None:
        self.leaf = leaf
        self.rearms = self.rebinds = 0
        self.missed = self.unsent = 0
        self.broken = False
        self.stopped = False
        self.prober = Prober(leaf.endpoint, around.sender, self._answered)
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._around = around
        self._telling = telling
        now = self._loop.time()
        self.policy = Policy(_limits(settings, leaf.rebinds), random.random, now)
        self._name = type(leaf.endpoint).__name__
        self.address: Any = None
        self.hearing = Hearing(lambda: leaf.heard() - self.prober.bytes_heard, now)
        self._entered = self._born = now
        self._transport = leaf.transport()
        self._probed_at: float | None = None  # while a probe is on its way, or should be
        self._sent = True  # or it could not be
        self._known = State.HEALTHY  # the last answer, while another one is waited for
        self.rebound = Rebound(lambda event: telling.tell(logging.WARNING, event))
        self._timer: asyncio.TimerHandle | None = None
        self._rebinding: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        with self._guarded():
            self.leaf.attach(self._lose)
            if self.leaf.is_open():
                self._locate()
                self.prober.attach()
            self._schedule()

    def settle(self) -> asyncio.Task[None] | None:
        """Begin nothing more; returns the rebind that is under way, if one is."""
        self.stopped = True
        self.rebound.give_up()
        return self._rebinding

    def stop(self) -> None:
        """End to watch; an endpoint that is without a socket then is closed."""
        rebinding = self.settle()
        if rebinding is not None and not self._loop.is_closed():
            rebinding.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for detach in (self.prober.detach, self.leaf.detach):
            try:
                detach()
            except Exception:  # of any class that claims to be an endpoint; the others come still
                logger.exception("%s is not quite as it was before it was watched", self.name)

    @property
    def name(self) -> str:
        """Its class and address."""
        host, port = (self.address or ("", 0))[:2]
        return f"{self._name} {f'[{host}]' if ':' in host else host}:{port}"

    @property
    def seconds_in_state(self) -> float:
        """How long its state has been what it is."""
        return self._loop.time() - self._entered

    def look(self, now: float) -> None:
        """See what can be seen without a probe. It costs a busy endpoint a few attributes."""
        with self._guarded():
            self._look(now)

    def alert(self, event: Input, cause: str = "") -> None:
        """The clock jumped, the addresses changed, or somebody asks."""
        with self._guarded():
            if self.leaf.is_open():
                now = self._loop.time()
                self.hearing.look(now)  # what was heard before proves nothing of what comes after
                self._feed(event, now, cause)

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Whatever the endpoint raises ends neither the watchdog nor the program."""
        try:
            yield
        except Exception:  # of any class that claims to be an endpoint
            if not self.broken:
                self.broken = True
                logger.exception("%s cannot be watched as it is; trying again later", self.name)
            if self._timer is not None:
                self._timer.cancel()
            if not self.stopped:
                self._timer = self._loop.call_later(AGAIN, self._due)
        else:
            self.broken = False

    def _look(self, now: float) -> None:
        if self._rebinding is not None:
            return
        if not self.leaf.is_open():
            if self.policy.state is not State.UNKNOWN:
                self._feed(Input.CLOSED, now)
            return
        if self.leaf.transport() is not self._transport:
            self._transport, self._born = self.leaf.transport(), now
        self._find_socket(now)
        heard = self.hearing.look(now)
        reading = self.leaf.reading()
        if reading is Reading.GONE:
            self._feed(Input.LOST, now)
        elif reading is Reading.NOT_ARMED:
            self._feed(Input.DISARMED, now)
        elif heard and self.policy.state is not State.HEALTHY:
            self._feed(Input.TRAFFIC, now)

    def _due(self) -> None:
        self._timer = None
        with self._guarded():
            self._time_is_up(self._loop.time())

    def _time_is_up(self, now: float) -> None:
        if not self.leaf.is_open():
            self._feed(Input.CLOSED, now)
            return
        self._find_socket(now)
        if self.policy.state is State.HEALTHY:
            self.hearing.look(now)
            # As if the traffic had been reported when it came: a busy endpoint costs this much.
            self.policy.feed(Input.TRAFFIC, self.hearing.at)
            if self.policy.deadline > now:
                self._schedule()
            else:
                self._feed(Input.AGED if self._is_aged(now) else Input.TIME, now)
        elif self._probed_at is None:
            self._feed(Input.TIME, now)
        elif self.policy.state is not State.REBINDING and self.hearing.look(now):
            self._feed(Input.TRAFFIC, now)
        elif not self._sent:
            self._feed(Input.UNSENT, now)
        elif self._was_late(now):
            self._feed(Input.LATE, now)
        else:
            self.missed += 1
            self._feed(Input.MISSED, now)

    def _find_socket(self, now: float) -> None:
        """A second watchdog may have ended the gap: what has a socket again is not to lose it."""
        if not self.policy.bound and self._rebinding is None and self.leaf.is_bound():
            self._feed(Input.FOUND, now)

    def _feed(self, event: Input, now: float, cause: str = "") -> None:
        if self.stopped:  # what was on its way when it did
            return
        before = self.policy.state
        action = self.policy.feed(event, now)
        state = self.policy.state
        self.rebound.follow(event, state, action)
        if state is not before:
            self._tell_state(before, state, cause or event.value, now)
        if state is not before or action is not Action.WAIT:
            self._probed_at = None
        if action is Action.REARM:
            self._rearm(cause or event.value)
        if action in (Action.REARM, Action.PROBE):
            self._probe(now)
        elif action is Action.REBIND:
            self._start_to_rebind(cause or event.value)
        self._schedule()

    def _probe(self, now: float) -> None:
        try:
            self._locate()
        except OSError:
            self._loop.call_soon(self._lose)  # a dead handle; not from within the policy's step
            return
        self._probed_at = now
        try:
            self.prober.send(self.address)
        except OSError:
            self._sent = False
            self.unsent += 1
        else:
            self._sent = True

    def _lose(self) -> None:
        with self._guarded():
            if self.leaf.is_open():
                self._feed(Input.LOST, self._loop.time())

    def _answered(self) -> None:
        now = self._loop.time()
        self.hearing.heard(now)
        self._feed(Input.ANSWERED, now)

    def _rearm(self, cause: str) -> None:
        if self.leaf.rearm():
            self.rearms += 1
            self._tell(logging.WARNING, EventKind.REARMED, cause)

    def _start_to_rebind(self, cause: str) -> None:
        if self._rebinding is not None:  # the loop was too late to end it in time
            return
        self.prober.expire()
        self._rebinding = self._loop.create_task(self._rebind(cause))

    async def _rebind(self, cause: str) -> None:
        with self._guarded():  # in Tribler a task that raises is a pop-up
            await self._rebind_and_tell(cause)

    async def _rebind_and_tell(self, cause: str) -> None:
        event = Input.REBOUND
        try:
            done = await asyncio.wait_for(self.leaf.rebind(), REBIND_TIMEOUT - 1)
        except EndpointGone:
            event = Input.CLOSED
        except Exception as exc:  # whatever it was, the next try comes
            event = Input.FOUND if self.leaf.is_bound() else Input.FAILED
            reason = " ".join(f"{type(exc).__name__}: {exc}".split())
            self.rebound.refused(self._event(EventKind.REBIND_FAILED, reason))
        else:
            self.rebinds += 1
            self._locate()
            kind = EventKind.PORT_CHANGED if done.moved else EventKind.REBOUND
            numbers = {"seconds": done.seconds, "queued": done.queued, "lost": done.lost}
            self.rebound.bound(self._event(kind, cause, **numbers))
            if self.stopped:
                self.rebound.give_up()
            self.hearing.skip()
        finally:
            self._rebinding = None
        self._feed(event, self._loop.time())

    def _schedule(self) -> None:
        # One timer at a time; one that is early enough looks again when it is due.
        if self._timer is not None:
            if self._timer.when() == self.policy.deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self.policy.deadline, self._due)

    def _was_late(self, now: float) -> bool:
        limit = LAG * self._settings.probe_timeout
        assert self._probed_at is not None
        late = now - self.policy.deadline > limit
        return late or self._around.was_late(self._probed_at, limit)

    def _is_aged(self, now: float) -> bool:
        age = self._settings.max_socket_age
        return bool(age) and now - self._born >= age

    def _locate(self) -> None:
        self.address = self.leaf.address()

    def _tell_state(self, before: State, state: State, cause: str, now: float) -> None:
        lasted, self._entered = now - self._entered, now
        # To ask is no news, nor is the same answer again: an idle endpoint has one every 10 s.
        news = state not in (State.QUIET, self._known)
        if state is not State.QUIET:
            self._known = state
        level = logging.WARNING if state in _DEAF else logging.INFO if news else logging.DEBUG
        self._tell(
            level,
            EventKind.STATE,
            cause,
            state=state.value,
            previous=before.value,
            seconds=lasted,
        )

    def _tell(self, level: int, kind: EventKind, cause: str, **more: Any) -> None:
        self._telling.tell(level, self._event(kind, cause, **more))

    def _event(self, kind: EventKind, cause: str, **more: Any) -> Event:
        port = self.address[1] if self.address else 0
        return Event(time.time(), kind, self.name, cause=cause, port=port, **more)


def _limits(settings: Settings, rebinds: bool) -> Limits:
    return Limits(
        settings.probe_after,
        settings.probe_timeout,
        settings.probe_misses,
        settings.jitter,
        settings.rebinds_per_hour,
        settings.retry_cap,
        rebinds,
    )
