"""What the watchdog tells: an event for each step, to callbacks, the log and the status."""

from __future__ import annotations

import collections
import dataclasses
import enum
import logging
import time
from typing import Any, Callable

logger = logging.getLogger("tribler_udp_fix.watchdog")

HISTORY = 100  # events kept, of the newest
LINES_PER_MINUTE = 30

listeners: list[Callable[[Event], object]] = []
"""Called with each event of every watchdog in the process, on that watchdog's event loop."""


class EventKind(enum.Enum):
    """What kind of step an event tells of."""

    STATE = "state"  # an endpoint is in another state
    REARMED = "re-armed"  # an endpoint's read was armed again, in place
    REBOUND = "rebound"  # an endpoint has a new socket, and has heard through it
    PORT_CHANGED = "port changed"  # and it is bound to another port than before
    REBIND_FAILED = "rebind failed"  # its port could not be bound, or the new socket heard nothing
    CANNOT_SEND = "cannot send"  # every send of an endpoint fails, for some seconds now
    SENDS_AGAIN = "sends again"
    NO_PEER = "no peer"  # an endpoint hears its probes, and nobody else
    PEER_HEARD = "peer heard"  # again
    WAKEUP_RENEWED = "wake-up renewed"  # the event loop has a new pair of wake-up sockets
    RESUMED = "resumed"  # the clock jumped: the machine slept
    ADDRESSES = "addresses"  # the machine has other addresses


@dataclasses.dataclass(frozen=True)
class Event:
    """One step of the watchdog.

    at: when, in seconds since the epoch; for a new socket when it was there, which is told later:
        when it is proved, or given up.
    kind: what kind of step.
    endpoint: the class and address of the endpoint, such as ``UDPEndpoint 0.0.0.0:8090``; empty
        where the step concerns the event loop or the machine.
    state, previous: for ``EventKind.STATE``, the names of the states.
    cause: why, in a few words.
    seconds: how long it took: for a state the time spent in the previous one, for a rebind the
        time without a socket.
    queued: datagrams that waited for the new socket and were then sent.
    lost: datagrams that were not sent for want of a socket.
    port: the port that the endpoint is bound to now, 0 where the event is not about one.
    unproved: for a new socket, that nobody found out whether it hears.
    """

    at: float
    kind: EventKind
    endpoint: str = ""
    state: str = ""
    previous: str = ""
    cause: str = ""
    seconds: float = 0.0
    queued: int = 0
    lost: int = 0
    port: int = 0
    unproved: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold."""
        return {**dataclasses.asdict(self), "kind": self.kind.value}

    def __str__(self) -> str:
        where = f"{self.endpoint}: " if self.endpoint else ""
        if self.kind is EventKind.STATE:
            return f"{where}{self.previous} -> {self.state} ({self.cause})"
        told = f"{where}{self.kind.value} ({self.cause})"
        if self.kind in (EventKind.REBOUND, EventKind.PORT_CHANGED):
            told += (
                f": port {self.port} after {self.seconds:.3f} s, "
                f"{self.queued} datagrams queued, {self.lost} lost"
            )
        if self.unproved:
            told += ", not proved"
        return told


class Log:
    """One line for each event, and no more than ``LINES_PER_MINUTE``; the rest are counted.

    A watchdog that logs without bound has filled a disk before
    (https://github.com/tailscale/tailscale/issues/20622: 563,949 lines).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minute = clock()
        self._lines = 0
        self._suppressed = 0

    def write(self, level: int, event: Event) -> None:
        """Log the event, unless this minute has had its lines."""
        if not logger.isEnabledFor(level):
            return
        now = self._clock()
        if now - self._minute >= 60.0:
            self._minute, self._lines = now, 0
            if self._suppressed:
                logger.warning("%d more lines in the minute before", self._suppressed)
                self._suppressed = 0
        self._lines += 1
        if self._lines > LINES_PER_MINUTE:
            self._suppressed += 1
        else:
            logger.log(level, "%s", event)


class Telling:
    """Hands each event to the callbacks, the log and the history."""

    def __init__(self) -> None:
        self.history: collections.deque[Event] = collections.deque(maxlen=HISTORY)
        self.callbacks: list[Callable[[Event], object]] = []
        self._log = Log()

    def tell(self, level: int, event: Event) -> None:
        """Tell everybody; what a callback raises is logged, and goes no further.

        The history keeps what is news: below ``logging.INFO`` is an idle endpoint's routine.
        """
        if level >= logging.INFO:
            self.history.append(event)
        self._log.write(level, event)
        for callback in (*self.callbacks, *listeners):
            try:
                callback(event)
            except Exception:  # the callback's fault must not stop the watchdog
                logger.exception("a callback for events raised an exception")
