"""When to ask a peer whether it is there, and when its silence means that it has gone: a table.

A peer is there when it has echoed a number that only we knew, or has sent what it has signed. Any
other datagram from its address may be forged: it postpones the next question, and the verdict a few
times. So:

- whoever has been silent for a while is sent a ping, sooner where the program has to do with it;
- a ping that is missed means little: it is sent again after 1, 2 and 4 seconds, then comes an
  introduction request, and then one ping a second. Of all these one answer is enough. On a
  network that loses every fifth datagram a ping and its answer are lost in 36 cases of 100: five
  questions would take a living peer for gone in 6 cases of 1,000, twenty do in 1 of 10⁹;
- a full peer answers pings, but no introduction request; a peer without IPv8's discovery answers
  no ping. So who has never answered one is sent introduction requests in their place, and judged
  by its traffic, as slowly as by IPv8;
- a peer is asked, and not judged, on an ICMP error, which anybody can forge; and neither while
  this node cannot be sure of its own ears: then silence begins anew when it can.

The table has no sockets and no clock in it: ``PeerPolicy.feed()`` is told what happened and when,
and answers with what to send and by when to call again. docs/peers.md shows it as a diagram.
"""

from __future__ import annotations

import collections
import enum
from typing import Callable, NamedTuple

IN_USE, IDLE = 15.0, 25.0  # seconds of silence before a question; RFC 8085 3.5 allows no fewer
JITTER = 0.2  # the share by which these, and GONE's, are shorter or longer
USED = 60.0  # seconds that a peer counts as in use after a message of its communities
PROVED = 60.0  # seconds that traffic without proof can postpone a question, at most
POSTPONED = 3  # times in a row that traffic without proof can cut the questions short
PINGS = (1.0, 2.0, 4.0, 4.0)  # seconds until the next question, after each of the first pings
LAST = 15  # pings after the introduction request, one a second
AGAIN = 60.0  # seconds between two questions to a peer that has gone
PAUSE = 1.0  # seconds between two questions that something else than time is the reason for
SILENCE = 22.0  # seconds, at least, until a peer has gone
TRAFFIC_SILENCE = 57.5  # the same where it never answered a ping; RandomChurn's drop_time


class PeerState(enum.Enum):
    """What is known of a peer."""

    ALIVE = "alive"  # it has been heard of late
    QUIET = "quiet"  # it has not, and is being asked
    SUSPECT = "suspect"  # it has missed a question
    GONE = "gone"  # it has missed them all


class Input(enum.Enum):
    """What can happen."""

    PROOF = "proof"  # a ping answered, or something that the peer has signed
    HEARD = "heard"  # any other datagram from its address
    TIME = "time"
    ALONE = "time, and nobody is heard"  # instead of the verdict: it is rather our own network
    ERROR = "ICMP error"
    ASKED = "asked for"
    DOUBT = "own ears in doubt"


class Action(enum.Enum):
    """What the driver has to do."""

    WAIT = "wait"
    PING = "ping"
    INTRODUCE = "introduction request"


class When(enum.Enum):
    """On what a row depends; of several rows for one input, the first that holds counts."""

    ALWAYS = ""
    NEVER_ANSWERED = "it never answered a ping"
    POSTPONES = "traffic has not cut the questions short three times"
    NOT_ASKED = "not asked yet"
    NO_PINGER = "it never answered a ping, and questions are left"
    PINGS_MISSED = "the first pings are used up"
    LEFT = "questions are left"
    SILENT = "silent for long enough"
    PAUSED = "last asked a second ago"


class Row(NamedTuple):
    """One row of the table: in each of *states*, on each of *inputs*, if *when* holds."""

    states: tuple[PeerState, ...]
    inputs: tuple[Input, ...]
    when: When
    then: PeerState
    action: Action


_S, _I, _W, _A = PeerState, Input, When, Action

_ASKING = (_S.QUIET, _S.SUSPECT)
_TIME = (_I.TIME,)
_REASONS = (_I.ERROR, _I.ASKED)

# Whatever has no row here changes nothing, the timer included.
TABLE: tuple[Row, ...] = (
    # Proof, and what is none.
    Row(tuple(PeerState), (_I.PROOF,), _W.ALWAYS, _S.ALIVE, _A.WAIT),
    Row((*_ASKING, _S.GONE), (_I.HEARD,), _W.NEVER_ANSWERED, _S.ALIVE, _A.WAIT),
    Row((_S.ALIVE,), (_I.HEARD,), _W.ALWAYS, _S.ALIVE, _A.WAIT),
    Row(_ASKING, (_I.HEARD,), _W.POSTPONES, _S.QUIET, _A.WAIT),
    Row((_S.GONE,), (_I.HEARD,), _W.PAUSED, _S.GONE, _A.PING),
    # Silence.
    Row((_S.ALIVE,), _TIME, _W.ALWAYS, _S.QUIET, _A.PING),
    Row((_S.QUIET,), _TIME, _W.NOT_ASKED, _S.QUIET, _A.PING),
    Row(_ASKING, _TIME, _W.NO_PINGER, _S.SUSPECT, _A.INTRODUCE),
    Row(_ASKING, _TIME, _W.PINGS_MISSED, _S.SUSPECT, _A.INTRODUCE),
    Row(_ASKING, _TIME, _W.LEFT, _S.SUSPECT, _A.PING),
    Row((_S.SUSPECT,), _TIME, _W.SILENT, _S.GONE, _A.WAIT),
    Row((_S.SUSPECT,), _TIME, _W.ALWAYS, _S.SUSPECT, _A.WAIT),
    Row((_S.SUSPECT,), (_I.ALONE,), _W.NEVER_ANSWERED, _S.SUSPECT, _A.INTRODUCE),
    Row((_S.SUSPECT,), (_I.ALONE,), _W.ALWAYS, _S.SUSPECT, _A.PING),
    Row((_S.GONE,), _TIME, _W.NEVER_ANSWERED, _S.GONE, _A.INTRODUCE),
    Row((_S.GONE,), _TIME, _W.ALWAYS, _S.GONE, _A.PING),
    # Reasons to ask.
    Row((_S.ALIVE,), _REASONS, _W.PAUSED, _S.QUIET, _A.PING),
    Row((_S.QUIET,), _REASONS, _W.PAUSED, _S.QUIET, _A.PING),
    Row((_S.SUSPECT,), _REASONS, _W.PAUSED, _S.SUSPECT, _A.PING),
    Row((_S.GONE,), _REASONS, _W.PAUSED, _S.GONE, _A.PING),
    # Nobody is judged, nor asked.
    Row((_S.ALIVE, *_ASKING), (_I.DOUBT,), _W.ALWAYS, _S.QUIET, _A.WAIT),
    Row((_S.GONE,), (_I.DOUBT,), _W.ALWAYS, _S.GONE, _A.WAIT),
)

_INDEX: dict[tuple[PeerState, Input], list[Row]] = collections.defaultdict(list)
for _row in TABLE:
    for _state in _row.states:
        for _input in _row.inputs:
            _INDEX[_state, _input].append(_row)


class PeerPolicy:
    """One peer's state, and when it wants to be called next.

    *random* returns a number from 0 up to 1, as ``random.random`` does. All times are readings of
    one monotonic clock, in seconds. The peer has just been heard.
    """

    def __init__(self, random: Callable[[], float], now: float) -> None:
        self.state = PeerState.ALIVE
        self.answers = False
        """Whether it has ever answered a ping."""
        self.asked = 0
        """How often it was asked because of its silence, since it was heard."""
        self.heard = now
        """Since when it is silent; doubt about our own ears counts as heard.

        What a row of the table takes no notice of does not.
        """
        self._postponed = 0  # how often traffic has cut questions short, since there was proof
        self._random = random
        self._used = float("-inf")
        self._proved = now  # or asked: traffic cannot postpone the next question for ever
        self._last_question = float("-inf")
        self.deadline = now + self._interval(now)

    def use(self, now: float) -> None:
        """Note that the program has to do with the peer: its silence is asked about sooner."""
        self._used = now

    def feed(self, event: Input, now: float) -> Action:
        """Take in what happened at *now*; returns what to send, with ``state``, ``deadline`` set.

        Call again with ``Input.TIME`` at ``deadline``.
        """
        row = self._row(event, now)
        if row is None:
            return Action.WAIT
        before, self.state = self.state, row.then
        if event in (Input.PROOF, Input.HEARD, Input.DOUBT):
            self._hear(event, now)
        elif event in (Input.TIME, Input.ALONE):
            self._pass(row.action, now)
        elif before is PeerState.ALIVE:  # the question that silence would have asked later
            self.asked = 1
            self.deadline = now + PINGS[0]
        if row.action is not Action.WAIT:
            self._last_question = self._proved = now
        return row.action

    @property
    def is_decisive(self) -> bool:
        """Whether all has been asked in vain, so that time may mean that it has gone."""
        return self.state is PeerState.SUSPECT and self.asked >= self._questions

    def would_ask(self, event: Input, now: float) -> bool:
        """Whether ``feed()`` would want something sent: the driver may put that off."""
        if event is Input.TIME:  # the table's answer, for thousands that wait, twice a second
            return not self.is_decisive
        row = self._row(event, now)
        return row is not None and row.action is not Action.WAIT

    def _row(self, event: Input, now: float) -> Row | None:
        for row in _INDEX.get((self.state, event), ()):
            if row.when is When.ALWAYS or self._holds(row.when, now):
                return row
        return None

    def _holds(self, when: When, now: float) -> bool:
        if when is When.NEVER_ANSWERED:
            return not self.answers
        if when is When.POSTPONES:
            return self._postponed < POSTPONED
        if when is When.NOT_ASKED:
            return self.asked == 0
        if when is When.NO_PINGER:
            return not self.answers and self.asked < self._questions
        if when is When.PINGS_MISSED:
            return self.asked == len(PINGS)
        if when is When.LEFT:
            return self.asked < self._questions
        if when is When.SILENT:
            return now >= self.heard + self._silence
        return now >= self._last_question + PAUSE

    def _hear(self, event: Input, now: float) -> None:
        if event is not Input.HEARD:
            self._postponed = 0
        elif self.asked:
            self._postponed += 1
        self.heard, self.asked = now, 0
        interval = self._interval(now)
        if event is Input.PROOF:
            self._proved = now
        if self.state is PeerState.GONE:
            self.deadline = now + self._about(AGAIN)
        elif event is Input.DOUBT:
            self.deadline = now + interval * self._random()  # not all at once when it ends
        else:
            # Of whom an answer is due, traffic postpones no question for longer than usual.
            longest = PROVED if self.state is PeerState.ALIVE else interval
            self.deadline = max(now, min(now + interval, self._proved + longest))

    def _pass(self, action: Action, now: float) -> None:
        # From when it was due, so that what is late by a look of the driver's does not add up.
        due = self.deadline if now < self.deadline + PAUSE else now
        if self.state is PeerState.GONE:
            self.deadline = now + self._about(AGAIN)
        elif action is Action.WAIT:
            self.deadline = self.heard + self._silence
        elif self.asked >= self._questions:
            self.deadline = now + self._interval(now)  # everybody is silent
        else:
            self.deadline = due + self._gap()
            self.asked += 1

    def _gap(self) -> float:
        return PINGS[self.asked] if self.asked < len(PINGS) else PAUSE

    @property
    def _questions(self) -> int:
        return len(PINGS) + 1 + (LAST if self.answers else 0)

    @property
    def _silence(self) -> float:
        return SILENCE if self.answers else TRAFFIC_SILENCE

    def _interval(self, now: float) -> float:
        return self._about(IN_USE if now < self._used + USED else IDLE)

    def _about(self, seconds: float) -> float:
        return seconds * (1.0 + JITTER * (2.0 * self._random() - 1.0))
