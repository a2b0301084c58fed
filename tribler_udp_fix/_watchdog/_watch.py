"""One endpoint under watch: tells the policy what happens to it, and does what the policy says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from typing import Any, Iterator

from tribler_udp_fix._asyncio._obstacles import in_words
from tribler_udp_fix._asyncio._rebound import EndpointGone
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog import _policy
from tribler_udp_fix._watchdog._conditions import Conditions
from tribler_udp_fix._watchdog._events import Event, EventKind, Telling, logger
from tribler_udp_fix._watchdog._hearing import Hearing
from tribler_udp_fix._watchdog._leaf import Leaf
from tribler_udp_fix._watchdog._policy import Action, Input, Policy, State
from tribler_udp_fix._watchdog._probe import AddressGone
from tribler_udp_fix._watchdog._reason import NEVER_OPENED, Reason
from tribler_udp_fix._watchdog._rebound import Rebound
from tribler_udp_fix._watchdog._surroundings import Surroundings

LAG = 0.5  # of a probe's time: a loop that is later may have kept the probe waiting
GRID = 0.05  # of probe_after: those that are due within it are due together
AGAIN = 60.0  # seconds until an endpoint is looked at again that nobody could look at

_DEAF = (State.REARMING, State.REBINDING, State.BACKING_OFF)


class Watch:
    """Watches one endpoint, from ``start()`` to ``stop()``, on the loop's own thread."""

    def __init__(
        self, leaf: Leaf, settings: Settings, around: Surroundings, telling: Telling
    ) -> None:
        self.leaf = leaf
        self._reason = Reason()
        self.rearms = self.rebinds = self.missed = self.unsent = 0
        self.broken = self.stopped = False
        self.over = False  # its program closed it, and can not open it again
        self.prober = leaf.prober(around.sender, self._answered)
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._grid = GRID * settings.probe_after
        self._around = around
        self._telling = telling
        now = self._loop.time()
        self.policy = Policy(_policy.limits_of(settings, leaf.rebinds), random.random, now)
        self.kind = leaf.kind
        self.address: Any = None
        self.hearing = Hearing(leaf.heard, now)
        self.conditions = Conditions(leaf, self.hearing, settings, self._tell, self.alert)
        self._entered = self._born = now
        self._socket = leaf.socket()
        self._probed_at: float | None = None  # while a probe is on its way, or should be
        self._sent = True  # or it could not be
        self._known = State.HEALTHY  # the last answer, while another one is waited for
        self.rebound = Rebound(lambda event: telling.tell(logging.WARNING, event))
        self._away = False  # it was deaf, or the machine asleep or elsewhere, since it was healthy
        self._timer: asyncio.TimerHandle | None = None
        self._rebinding: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        with self.guarded():
            self.leaf.attach(self._lose)
            if not self.leaf.is_open():
                self._feed(Input.CLOSED, self._loop.time())
            elif self.leaf.is_bound():
                self._locate()
                self.prober.attach()
                self._schedule()
            else:
                self._locate()
                self.policy.bound = False
                now = self._loop.time()
                cause = self.leaf.obstacle()
                self._feed(Input.UNBINDABLE if cause else Input.LOST, now, cause)

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
        return f"{self.kind} {f'[{host}]' if ':' in host else host}:{port}"

    @property
    def reason(self) -> str:
        """What ails it, in words, or ""."""
        return self._reason.words or self.conditions.words

    @property
    def seconds_in_state(self) -> float:
        """How long its state has been what it is."""
        return self._loop.time() - self._entered

    def look(self, now: float) -> None:
        """See what can be seen without a probe. It costs a healthy endpoint a few attributes."""
        healthy = self.policy.state is State.HEALTHY and not self.broken
        if not (healthy and (self.leaf.is_undisturbed() or self._is_fine(now))):
            with self.guarded():
                self._look(now)

    def alert(self, event: Input, cause: str = "") -> None:
        """The clock jumped, the addresses changed, or somebody asks."""
        with self.guarded():
            if self.leaf.is_open():
                now = self._loop.time()
                if event is Input.MOVED:
                    self.leaf.has_moved()
                self._away = self._away or event in (Input.MOVED, Input.JUMPED)
                self.hearing.look(now)  # what was heard before proves nothing of what comes after
                if event is Input.JUMPED:
                    self.hearing.peer_at = now  # nobody was silent: the machine slept
                if event is Input.ASKED or not self._is_obstructed(now):
                    self._feed(event, now, cause)

    def follow_interface(self) -> None:
        """Go after its interface, if it is elsewhere: another one may have its name, or address."""
        with self.guarded():
            if self._rebinding is None and self.leaf.is_elsewhere():
                self._feed(Input.LOST, self._loop.time(), "its adapter is elsewhere")

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
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

    def _is_fine(self, now: float) -> bool:
        try:
            if not self.leaf.is_fine(self._socket):
                return False
            self.hearing.look(now)
            self.conditions.look(now, healthy=True)
        except Exception:  # of any class that claims to be an endpoint: _look() meets it, guarded
            return False
        return True

    def _look(self, now: float) -> None:
        if self._rebinding is not None:
            return
        leaf = self.leaf
        if not leaf.is_open():
            self.over = leaf.ends
            if self.policy.state is not State.UNKNOWN:
                self._feed(Input.CLOSED, now)
            return
        if leaf.socket() is not self._socket:
            self._socket, self._born = leaf.socket(), now
            self._find_address()
            if self.policy.state is State.UNKNOWN and not leaf.is_bound():  # opened anew, without
                self.policy.bound = False
                self._feed(Input.LOST, now)
                return
        self._find_socket(now)
        heard = self.hearing.look(now)
        self.conditions.look(now, healthy=self.policy.state is State.HEALTHY)
        if leaf.is_gone():
            self._feed(Input.LOST, now)
        elif not leaf.reading():
            self._feed(Input.DISARMED, now)
        elif heard and self.policy.state is not State.HEALTHY:
            self._feed(Input.TRAFFIC, now)

    def _due(self) -> None:
        self._timer = None
        with self.guarded():
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
            if not self._is_obstructed(now):
                self._feed(Input.TIME, now)
        elif self._rebinding is None and self.hearing.look(now):
            self._feed(Input.TRAFFIC, now)
        elif not self._sent:
            self._feed(Input.UNSENT, now)
        elif self._was_late(now) or self.leaf.is_behind():
            self._feed(Input.LATE, now)
        else:
            self.missed += 1
            self._feed(Input.MISSED, now)

    def _is_obstructed(self, now: float) -> bool:
        """Whether what is to be tried next cannot succeed: its address, or port, is not there."""
        if self.policy.state is not State.BACKING_OFF or self._rebinding is not None:
            return False
        reason = self.leaf.obstacle()
        if reason:
            if not self.leaf.is_bound():
                self.rebound.failed += 1
            self._cannot_be_bound(reason, now)
        elif self.leaf.is_elsewhere():
            self.policy.bound = False  # what it has is of no use any more
        return bool(reason)

    def _cannot_be_bound(self, reason: str, now: float) -> None:
        before, known = self.policy.state, self._reason.words
        self._feed(Input.UNBINDABLE, now, reason)
        if before is State.BACKING_OFF and reason != known:
            self._tell_state(before, before, reason, now)

    def _find_socket(self, now: float) -> None:
        """A second watchdog may have ended the gap: what has a socket again is not to lose it."""
        if not self.policy.bound and self._rebinding is None and self.leaf.is_bound():
            self._feed(Input.FOUND, now)

    def _feed(self, event: Input, now: float, cause: str = "") -> None:
        if self.stopped:  # what was on its way when it did
            return
        before = self.policy.state
        if self.policy.limits.rebinds is not self.leaf.rebinds:
            self.policy.limits = self.policy.limits._replace(rebinds=self.leaf.rebinds)
        action = self.policy.feed(event, now)
        state = self.policy.state
        self.rebound.follow(event, state, action)
        self._away = self._away or state in _DEAF
        if state is State.HEALTHY and self._away:
            self._away = False
            self.leaf.hears_again()
        if event is Input.CLOSED:
            self.conditions.end()
            cause = cause if self.address is not None else NEVER_OPENED
        self._reason.follow(event, state, cause, self.leaf.why_not)
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
            self._locate(asking=bool(self.policy.misses))
        except OSError:
            self._loop.call_soon(self._lose)  # a dead handle; not from within the policy's step
            return
        self._probed_at = now
        try:
            self.prober.send(self.address)
            self._sent = True
            return
        except AddressGone as exc:
            self._loop.call_soon(self._address_gone, str(exc))  # not from within the policy's step
        except OSError as exc:
            self._reason.unsent = exc.strerror or str(exc)
        self._sent, self.unsent = False, self.unsent + 1

    def _address_gone(self, reason: str) -> None:
        with self.guarded():
            if self.leaf.is_open() and self._probed_at is not None:
                self._cannot_be_bound(reason, self._loop.time())

    def _lose(self) -> None:
        with self.guarded():
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
        self._rebinding = asyncio.Task(self._rebind(cause), loop=self._loop)  # never an eager one

    async def _rebind(self, cause: str) -> None:
        with self.guarded():  # in Tribler a task that raises is a pop-up
            await self._rebind_and_tell(cause)

    async def _rebind_and_tell(self, cause: str) -> None:
        event, failed = Input.REBOUND, ""
        try:
            done = await asyncio.wait_for(self.leaf.rebind(), _policy.REBIND_TIMEOUT - 1)
        except EndpointGone:
            event = Input.CLOSED
        except Exception as exc:  # whatever it was, the next try comes
            event = Input.FOUND if self.leaf.is_bound() else Input.FAILED
            failed = in_words(exc, self.address or ("", 0))
            self.rebound.refused(self._event(EventKind.REBIND_FAILED, failed))
            if isinstance(exc, OSError) and self.leaf.obstacle(counts=False):
                event = Input.UNBINDABLE
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
        self._feed(event, self._loop.time(), failed)

    def _schedule(self) -> None:
        due = self.policy.deadline
        if self.policy.state is State.HEALTHY:  # it is to wake the loop that costs: do so for many
            due = math.ceil(due / self._grid) * self._grid
        if self._timer is not None:
            if self._timer.when() == due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._due)

    def _was_late(self, now: float) -> bool:
        limit = LAG * self._settings.probe_timeout
        assert self._probed_at is not None
        return now - self.policy.deadline > limit or self._around.was_late(self._probed_at, limit)

    def _is_aged(self, now: float) -> bool:
        age = self._settings.max_socket_age
        return bool(age) and now - self._born >= age

    def _locate(self, *, asking: bool = True) -> None:
        self.address = self.leaf.address(asking)

    def _find_address(self) -> None:
        """Its owner may have closed it and opened it elsewhere."""
        with contextlib.suppress(OSError):  # a dead handle, which is looked after elsewhere
            before = self.address
            self._locate()
            if before is not None and self.address[:2] != before[:2]:
                self.leaf.has_moved()

    def _tell_state(self, before: State, state: State, cause: str, now: float) -> None:
        lasted, self._entered = now - self._entered, now
        # To ask is no news, nor is the same answer again: an idle endpoint has one every 10 s.
        news = state not in (State.QUIET, self._known)
        if state is not State.QUIET:
            self._known = state
        news = news and not (state is State.UNKNOWN and self.leaf.ends)  # as of one question's
        level = logging.WARNING if state in _DEAF else logging.INFO if news else logging.DEBUG
        more = {"state": state.value, "previous": before.value, "seconds": lasted}
        self._tell(level, EventKind.STATE, cause, **more)

    def _tell(self, level: int, kind: EventKind, cause: str, **more: Any) -> None:
        self._telling.tell(level, self._event(kind, cause, **more))

    def _event(self, kind: EventKind, cause: str, **more: Any) -> Event:
        port = self.address[1] if self.address else 0
        return Event(time.time(), kind, self.name, cause=cause, port=port, **more)
