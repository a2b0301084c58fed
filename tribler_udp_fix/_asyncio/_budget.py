"""What receive errors may cost, so that they take neither the processor nor anybody's datagrams."""

from __future__ import annotations

CAPACITY = 0.25  # seconds of work on errors, beyond the budget, that are done without a pause
SHARE = 0.25  # and of each second after that
GRACE = 2.0  # seconds in which errors have had no end, after which pauses grow
LONGEST = 0.1  # seconds that an endpoint pauses, at most


class ErrorBudget:
    """Tells when to pause between errors, and for how long.

    A peer that left costs one error for each datagram sent to it, and good datagrams wait behind
    those errors: they are worth being read at once, *per_second* of them without a question. Past
    that they may take a quarter of a core. A network that is down can fail every receive as fast
    as it is asked: where errors follow each other without an end, the pauses grow.
    """

    __slots__ = ("_at", "_rate", "_since", "_tokens", "_work")

    def __init__(self, per_second: int) -> None:
        self._rate = self._tokens = float(per_second)
        self._work = CAPACITY
        self._at = float("-inf")
        self._since: float | None = None

    def is_spent(self, now: float) -> bool:
        """Count one error at *now* (seconds, a monotonic clock); whether the budget was used up."""
        passed = now - self._at
        self._at = now
        self._tokens = min(self._rate, self._tokens + passed * self._rate) - 1.0
        if self._since is None or now - self._since < GRACE:
            self._work = min(CAPACITY, self._work + passed * SHARE)
        if self._tokens >= 0.0:
            return False
        self._tokens = 0.0
        return True

    def pause(self, worked: float, now: float) -> float:
        """How long to wait after *worked* seconds of errors past the budget, with more behind."""
        self._work -= worked
        if self._work > 0.0:
            return 0.0
        if self._since is None:
            self._since = now
        self._work = 0.0
        return min(
            LONGEST, worked * (1.0 / SHARE - 1.0 + 8.0 * max(0.0, now - self._since - GRACE))
        )

    def end(self) -> None:
        """The errors had an end: everything that waited has been read."""
        self._since = None
