"""When an endpoint last heard something."""

from __future__ import annotations

import time
from typing import Callable


class Hearing:
    """Follows the counter of what an endpoint has heard: real traffic costs a look, and no more.

    *counter* returns a number that grows with what has reached the endpoint's callback, but for
    what has our own prefix, be it a probe, a forged one, or a replay: that is not traffic.
    """

    def __init__(self, counter: Callable[[], int], now: float) -> None:
        self.at = now  # by the loop's clock, in seconds; the beginning counts as heard
        self.last: float | None = None  # by time.time(), None where nothing has been heard yet
        self.peer_at = now  # the same of traffic alone, to which no probe counts
        self.peer_last: float | None = None
        self._counter = counter
        self._count = counter()

    def look(self, now: float) -> bool:
        """Whether there was traffic since the last look."""
        before, self._count = self._count, self._counter()
        if self._count <= before:  # less: reset_byte_counters(); what came since is missed once
            return False
        self.heard(now)
        self.peer_at, self.peer_last = now, self.last
        return True

    def heard(self, now: float) -> None:
        """Something was heard: traffic, or a probe."""
        self.at = now
        self.last = time.time()

    def skip(self) -> None:
        """Take what was heard up to now for nothing: it came through another socket."""
        self._count = self._counter()
