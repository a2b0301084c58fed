"""How many errors a second are worth an immediate next receive."""

from __future__ import annotations


class ErrorBudget:
    """A token bucket that holds one second's worth of errors.

    A peer that left costs one error for each datagram sent to it, and every one of them must be
    followed by a receive at once. A network that is down can fail every receive as fast as it is
    posted, and must not take the processor: past the budget each error waits for its token.
    """

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, per_second: int) -> None:
        self._rate = float(per_second)
        self._tokens = self._rate
        self._at = float("-inf")

    def delay(self, now: float) -> float:
        """Spend one error at *now* (seconds, the loop's clock): how long to wait, in seconds."""
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)
