"""Whether the machine slept, found by clocks that count the sleep and clocks that do not."""

from __future__ import annotations

import functools
import sys
import time
from typing import Any, Callable

JUMP = 2.0  # seconds; a clock that is set to the right time moves in smaller steps


def _awake() -> Callable[[], float]:
    """A clock, in seconds, that stands still while the machine sleeps."""
    if sys.platform == "win32":
        try:
            return _unbiased_interrupt_time()
        except Exception:  # a frozen program may have no ctypes; then the wall clock has to do
            pass
    return time.monotonic


if sys.platform == "win32":

    @functools.lru_cache(maxsize=None)  # each WinDLL makes classes, of which something stays
    def _query() -> Any:
        import ctypes

        query = ctypes.WinDLL("kernel32").QueryUnbiasedInterruptTime
        query.argtypes = [ctypes.POINTER(ctypes.c_uint64)]
        return query

    def _unbiased_interrupt_time() -> Callable[[], float]:
        # time.monotonic() goes on during sleep on Windows: GetTickCount64() is "biased".
        import ctypes

        query = _query()
        ticks = ctypes.c_uint64()

        def awake() -> float:
            query(ctypes.byref(ticks))
            return ticks.value / 1e7  # of 100 ns

        awake()
        return awake


class SleepClock:
    """Tells by how much the wall clock has run away from the time that the machine was awake."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        awake: Callable[[], float] | None = None,
    ) -> None:
        self._wall = wall
        self._awake = awake or _awake()
        self._offset = self._wall() - self._awake()

    def jumped(self) -> float:
        """Seconds that the wall clock jumped since the last call, 0.0 where it did not.

        Somebody who sets the clock makes it jump as well; all that follows is a probe.
        """
        offset = self._wall() - self._awake()
        jump, self._offset = offset - self._offset, offset
        return jump if abs(jump) >= JUMP else 0.0
