"""What to do about an endpoint that may have gone deaf, as a table.

An endpoint hears when a datagram has reached its protocol's callback, and nothing else proves it:
a socket that is open and a read that is pending have both been seen on nodes that heard nobody
(https://github.com/tailscale/tailscale/issues/20616). So:

- traffic is proof, and an endpoint with traffic is never probed;
- one that has been quiet is sent a probe, a datagram of our own that only we can answer for;
- a probe that is missed means little; several in a row mean that the endpoint is deaf, unless the
  event loop itself was late, or no probe could be sent, which proves nothing about the socket:
  *unknown*;
- then one step at a time, each proved before it counts: the read is armed again, the same port
  is bound again, and after that the same again, ever more slowly, without end.

The table has no sockets and no clock in it: ``Policy.feed()`` is told what happened and when, and
answers with what to do and by when to call again. docs/watchdog.md shows it as a diagram.
"""

from __future__ import annotations

import collections
import enum
from typing import Callable, NamedTuple

from tribler_udp_fix._settings import Settings

HOUR = 3600.0
REBIND_TIMEOUT = 6.0  # seconds for closing one socket and binding the next, both bounded
FIRST_DELAY = 1.0  # seconds, of the back-off's second try; the first is at once
WAITING_DELAY = 2.0  # seconds between two looks whether an address or a port is there


class State(enum.Enum):
    """What is known of an endpoint."""

    HEALTHY = "healthy"  # it has heard something of late
    QUIET = "quiet"  # it has heard nothing for a while, and a probe is on its way
    SUSPECT = "suspect"  # it has missed a probe
    REARMING = "re-arming"  # its read was armed again, and a probe is on its way
    REBINDING = "rebinding"  # it gets another socket, which then has to hear
    BACKING_OFF = "backing off"  # it is deaf, and the next try waits
    UNKNOWN = "unknown"  # its loop is too late to tell, it cannot be probed, or it is closed


class Input(enum.Enum):
    """What can happen."""

    TRAFFIC = "traffic"
    ANSWERED = "probe answered"
    MISSED = "probe missed"
    LATE = "loop lagged"  # a probe's time ran out on a loop that was late itself
    UNSENT = "probe not sent"  # the helper socket's fault, which proves nothing either
    DISARMED = "no read armed"
    LOST = "socket lost"
    JUMPED = "clock jumped"
    MOVED = "addresses changed"
    TIME = "time"
    AGED = "socket too old"
    ASKED = "asked for"
    REBOUND = "rebound"
    FAILED = "rebind failed"
    MUTE = "every send fails"  # by no firewall's doing: another socket may be able to
    UNBINDABLE = "cannot be bound"  # now: its address, or its port, is not to be had
    FOUND = "socket found"  # the old one, which was not closed, or one of another watchdog's
    CLOSED = "endpoint closed"


class Action(enum.Enum):
    """What the driver has to do."""

    WAIT = "wait"
    PROBE = "probe"
    REARM = "re-arm"  # and probe
    REBIND = "rebind"


class When(enum.Enum):
    """On what a row depends; of several rows for one input, the first that holds counts."""

    ALWAYS = ""
    ENOUGH = "enough misses"
    MAY_REBIND = "may rebind"
    BOUND = "bound"


class Row(NamedTuple):
    """One row of the table: in each of *states*, on each of *inputs*, if *when* holds."""

    states: tuple[State, ...]
    inputs: tuple[Input, ...]
    when: When
    then: State
    action: Action


_S, _I, _W, _A = State, Input, When, Action

_PROBING = (_S.QUIET, _S.SUSPECT)
_WATCHING = (_S.HEALTHY, *_PROBING, _S.UNKNOWN)
_HEARD = (_I.TRAFFIC, _I.ANSWERED)
_ALERTS = (_I.JUMPED, _I.MOVED)

# Whatever has no row here changes nothing, the timer included.
TABLE: tuple[Row, ...] = (
    # Proof. What is heard while a socket is being replaced proves nothing of the next one.
    Row((*_WATCHING, _S.REARMING), _HEARD, _W.ALWAYS, _S.HEALTHY, _A.WAIT),
    Row((_S.BACKING_OFF, _S.REBINDING), _HEARD, _W.BOUND, _S.HEALTHY, _A.WAIT),
    # Silence.
    Row((_S.HEALTHY, _S.UNKNOWN), (_I.TIME,), _W.ALWAYS, _S.QUIET, _A.PROBE),
    Row(_PROBING, (_I.MISSED,), _W.ENOUGH, _S.REARMING, _A.REARM),
    Row(_PROBING, (_I.MISSED,), _W.ALWAYS, _S.SUSPECT, _A.PROBE),
    Row((*_PROBING, _S.REARMING), (_I.LATE, _I.UNSENT), _W.ALWAYS, _S.UNKNOWN, _A.WAIT),
    # Sleep and resume, or other addresses: neither rebinds by itself.
    Row(_WATCHING, _ALERTS, _W.ALWAYS, _S.QUIET, _A.PROBE),
    # Traces of a death, for which no probe has to be waited for.
    Row(_WATCHING, (_I.DISARMED,), _W.ALWAYS, _S.REARMING, _A.REARM),
    Row((*_WATCHING, _S.REARMING), (_I.LOST,), _W.MAY_REBIND, _S.REBINDING, _A.REBIND),
    Row((*_WATCHING, _S.REARMING, _S.REBINDING), (_I.LOST,), _W.ALWAYS, _S.BACKING_OFF, _A.WAIT),
    # Its address has gone, or its port: what it has is kept, and it is looked for again and again.
    Row(
        (*_WATCHING, _S.REARMING, _S.REBINDING, _S.BACKING_OFF),
        (_I.UNBINDABLE,),
        _W.ALWAYS,
        _S.BACKING_OFF,
        _A.WAIT,
    ),
    # Re-arming was not enough.
    Row((_S.REARMING,), (_I.MISSED,), _W.MAY_REBIND, _S.REBINDING, _A.REBIND),
    Row((_S.REARMING,), (_I.MISSED,), _W.ALWAYS, _S.BACKING_OFF, _A.WAIT),
    # Another socket, which counts once it is proved.
    Row((_S.REBINDING, _S.BACKING_OFF), (_I.REBOUND,), _W.ALWAYS, _S.REBINDING, _A.PROBE),
    Row((_S.REBINDING,), (_I.MISSED,), _W.ENOUGH, _S.BACKING_OFF, _A.WAIT),
    Row((_S.REBINDING,), (_I.MISSED, _I.LATE), _W.ALWAYS, _S.REBINDING, _A.PROBE),
    Row(
        (_S.REBINDING,),
        (_I.FAILED, _I.FOUND, _I.UNSENT, _I.TIME),
        _W.ALWAYS,
        _S.BACKING_OFF,
        _A.WAIT,
    ),
    # The next try, of a socket that is there: it may hear by now.
    Row((_S.BACKING_OFF,), (_I.TIME, *_ALERTS), _W.BOUND, _S.REARMING, _A.REARM),
    Row((_S.BACKING_OFF,), (_I.TIME, *_ALERTS), _W.MAY_REBIND, _S.REBINDING, _A.REBIND),
    Row((_S.BACKING_OFF,), (_I.TIME,), _W.ALWAYS, _S.BACKING_OFF, _A.WAIT),
    # It hears, and yet a socket through which nothing leaves is worth another one.
    Row(_WATCHING, (_I.MUTE,), _W.MAY_REBIND, _S.REBINDING, _A.REBIND),
    # By the calendar, or by hand.
    Row((_S.HEALTHY,), (_I.AGED,), _W.MAY_REBIND, _S.REBINDING, _A.REBIND),
    Row((_S.HEALTHY,), (_I.AGED,), _W.ALWAYS, _S.QUIET, _A.PROBE),
    Row(
        (*_WATCHING, _S.REARMING, _S.BACKING_OFF),
        (_I.ASKED,),
        _W.MAY_REBIND,
        _S.REBINDING,
        _A.REBIND,
    ),
    # Its owner's business.
    Row(tuple(State), (_I.CLOSED,), _W.ALWAYS, _S.UNKNOWN, _A.WAIT),
)

_INDEX: dict[tuple[State, Input], list[Row]] = collections.defaultdict(list)
for _row in TABLE:
    for _state in _row.states:
        for _input in _row.inputs:
            _INDEX[_state, _input].append(_row)


class Limits(NamedTuple):
    """The numbers of the policy; times are in seconds. ``Settings`` gives their defaults."""

    probe_after: float
    probe_timeout: float
    probe_misses: int
    jitter: float
    rebinds_per_hour: int
    retry_cap: float
    rebinds: bool = True


class Policy:
    """One endpoint's state, and when it wants to be called next.

    *random* returns a number from 0 up to 1, as ``random.random`` does. All times are readings of
    one monotonic clock, in seconds.
    """

    def __init__(self, limits: Limits, random: Callable[[], float], now: float) -> None:
        self.limits = limits
        self.state = State.HEALTHY
        self.bound = True
        self.misses = 0
        self._random = random
        self._alert = False
        self._unsent = False
        self._waits = False
        self._retries = 0
        self._rebinds: collections.deque[float] = collections.deque()
        self._asked: collections.deque[float] = collections.deque()
        self.deadline = now + self._delay(Action.WAIT)

    def feed(self, event: Input, now: float) -> Action:
        """Take in what happened at *now*; returns what to do, with ``state`` and ``deadline`` set.

        Call again with ``Input.TIME``, or ``MISSED`` where a probe was out, at ``deadline``.
        """
        self._note(event)
        row = self._row(event, now)
        if row is None:
            # Time that nothing was done about must not stand still.
            if now >= self.deadline:
                self.deadline = now + self._delay(Action.WAIT)
            return Action.WAIT
        self._enter(row, event, now)
        return row.action

    @property
    def is_blind(self) -> bool:
        """Whether no probe could be sent: nothing is proved then, neither for it nor against."""
        return self.state is State.UNKNOWN and self._unsent

    def may_rebind(self, now: float, asked: bool = False) -> bool:
        """Whether closing the socket is allowed and within the hour's budget.

        What is *asked* for has a budget of its own, of the same size: somebody who clicks again and
        again must not leave a deaf endpoint without a new socket for an hour. Where there is no
        socket there is none to close: only the back-off bounds those tries.
        """
        if not self.limits.rebinds:
            return False
        spent = self._asked if asked else self._rebinds
        while spent and now - spent[0] >= HOUR:
            spent.popleft()
        return not self.bound or len(spent) < self.limits.rebinds_per_hour

    def _note(self, event: Input) -> None:
        self._unsent = event is Input.UNSENT
        self._waits = event is Input.UNBINDABLE
        if event is Input.MISSED:
            self.misses += 1
        elif event is Input.REBOUND:
            self.bound = True
            self.misses = 0
        elif event in (Input.FOUND, Input.CLOSED):
            self.bound = True  # one that is opened again has a socket
        elif event in _ALERTS:
            self._alert = True
            self.misses = 0

    def _row(self, event: Input, now: float) -> Row | None:
        for row in _INDEX.get((self.state, event), ()):
            if row.when is When.ALWAYS or self._holds(row.when, event, now):
                return row
        return None

    def _holds(self, when: When, event: Input, now: float) -> bool:
        if when is When.ENOUGH:
            return self.misses >= (1 if self._alert else self.limits.probe_misses)
        if when is When.MAY_REBIND:
            return self.may_rebind(now, event is Input.ASKED)
        return self.bound

    def _enter(self, row: Row, event: Input, now: float) -> None:
        if row.then is State.HEALTHY:
            self._alert = False
            self._retries = 0
        if row.then in (State.HEALTHY, State.UNKNOWN):
            self.misses = 0
        if row.action is Action.REBIND:
            if self.bound:
                (self._asked if event is Input.ASKED else self._rebinds).append(now)
            self.bound = False
        self.state = row.then
        self.deadline = now + self._delay(row.action)
        if row.then is State.BACKING_OFF and not self._waits:
            self._retries += 1

    def _delay(self, action: Action) -> float:
        limits = self.limits
        shorter = 1.0 - limits.jitter * self._random()
        if action is Action.REBIND:
            return REBIND_TIMEOUT
        if self.state is State.HEALTHY or self.is_blind:
            return limits.probe_after * shorter
        if self.state is State.BACKING_OFF:
            if self._waits:
                return min(WAITING_DELAY, limits.retry_cap) * shorter
            if self._retries == 0:
                return 0.0
            # Bounded before it is raised: 2.0 ** 1024 is an OverflowError, years from now.
            doubled = FIRST_DELAY * 2.0 ** min(self._retries - 1, 30)
            return min(doubled, limits.retry_cap) * shorter
        return limits.probe_timeout


def limits_of(settings: Settings, rebinds: bool) -> Limits:
    """What the *settings* allow an endpoint that *rebinds*, or does not."""
    return Limits(
        settings.probe_after,
        settings.probe_timeout,
        settings.probe_misses,
        settings.jitter,
        settings.rebinds_per_hour,
        settings.retry_cap,
        rebinds,
    )
