"""When a request is sent again: decisions alone, without sockets or clocks.

Time is passed in, in seconds of a clock that never goes back; so is chance. The numbers are those
of CoAP (RFC 7252 4.2: doubling, spread by half, one outstanding for each peer) and of TCP's timer
(RFC 6298, with Karn's rule), sooner than theirs where the peer is known to answer sooner.
"""

from __future__ import annotations

FIRST_WAIT = 1.0  # seconds until the first resend to a peer that has never answered
MIN_WAIT = 0.25  # seconds, however fast the peer is
MAX_WAIT = 8.0  # seconds that backing off may lead to
RESENDS = 3  # after 1, 3 and 7 times the first wait
SPREAD = 0.5  # a request's waits are longer by up to so much, so that many do not come at once

FIRST_SENDS = 10  # so many first sends earn one resend
HEAD_START = 10  # resends with which a community begins
BURST = 100  # resends that can be saved up


class RoundTrip:
    """How long one peer takes to answer."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._deviation = 0.0
        self._backing_off = 1

    @property
    def wait(self) -> float:
        """Seconds to wait for an answer before the request is sent again."""
        if self._mean is None:
            return FIRST_WAIT
        wait = max(MIN_WAIT, self._mean + 4 * self._deviation)
        return max(wait, min(wait * self._backing_off, MAX_WAIT))

    def measure(self, seconds: float) -> None:
        """Take in how long the answer to a request took that was sent once (Karn's rule)."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
        else:
            self._deviation += (abs(self._mean - seconds) - self._deviation) / 4
            self._mean += (seconds - self._mean) / 8
        self._backing_off = 1

    def back_off(self) -> None:
        """Wait twice as long from now on: a request had to be sent again, and measures nothing."""
        self._backing_off = min(2 * self._backing_off, int(MAX_WAIT / MIN_WAIT))


class Budget:
    """How many resends there may be: one for ten first sends, and a few saved up."""

    def __init__(self) -> None:
        self._saved = HEAD_START * FIRST_SENDS  # in first sends

    def earn(self) -> None:
        """Something was sent for the first time."""
        self._saved = min(self._saved + 1, BURST * FIRST_SENDS)

    def spend(self) -> bool:
        """Whether there may be a resend now, which is then taken off."""
        if self._saved < FIRST_SENDS:
            return False
        self._saved -= FIRST_SENDS
        return True


class Schedule:
    """When one request is sent again, and when it has timed out.

    It begins when the request is first sent, or first would be, at *now*. *wait* is that of the
    peer's ``RoundTrip``; *chance* is anything from 0 to 1.
    """

    def __init__(
        self, now: float, timeout: float, wait: float, chance: float, resends: int = RESENDS
    ) -> None:
        self.deadline = now + timeout
        self._began = now
        self._wait = wait * (1 + SPREAD * chance)
        self._resends = resends
        self._passed = 0

    @property
    def resend_at(self) -> float | None:
        """When to send it again; None where that is too late, or it was sent often enough."""
        at = self._began + self._wait * (2 ** (self._passed + 1) - 1)
        return at if self._passed < self._resends and not self.is_late(at) else None

    def is_due(self, now: float) -> bool:
        """Whether to send it again by now; the next time is another one, whether or not it was."""
        due = False
        while (at := self.resend_at) is not None and at <= now:
            self._passed += 1
            due = True
        return due

    def is_late(self, now: float) -> bool:
        """Whether an answer to what is sent now can hardly come before the time-out."""
        return now + MIN_WAIT > self.deadline


class StoppableClock:
    """A clock that stands still while nothing can be sent."""

    def __init__(self) -> None:
        self._stood = 0.0
        self._standing_since: float | None = None

    def read(self, now: float, stands: bool) -> float:
        """The time on it; *stands* says whether it stands from now on, or goes."""
        if self._standing_since is not None:
            self._stood += now - self._standing_since
        self._standing_since = now if stands else None
        return now - self._stood
