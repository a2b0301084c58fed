"""What happened, counted: nothing that fails or is dropped goes unseen."""

from __future__ import annotations

import os
import threading
from typing import Any

from tribler_udp_fix._asyncio._errors import number_of


class Counters:
    """Counts for the whole process, across event loops and threads.

    Errors are kept by Winsock number, everything else by name. Only failures and drops are
    counted, so the lock is never taken on the way of a healthy datagram.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may count, too
        self._errors: dict[str, dict[int, int]] = {"receive": {}, "send": {}}
        self._dropped: dict[str, int] = {}
        self._named: dict[str, int] = {}

    def renew_lock(self) -> None:
        """Forget who has it: a thread that a forked child has not."""
        self._lock = threading.RLock()

    def error(self, direction: str, exc: OSError) -> bool:
        """Count *exc*, met on ``"receive"`` or ``"send"``; True if its number is new there."""
        return self.error_number(direction, number_of(exc))

    def error_number(self, direction: str, number: int, also: str | None = None) -> bool:
        """The same of an error's *number*, and count one of *also*."""
        with self._lock:
            if also is not None:
                self._named[also] = self._named.get(also, 0) + 1
            seen = self._errors[direction]
            seen[number] = count = seen.get(number, 0) + 1
            return count == 1

    def dropped(self, why: str, datagrams: int = 1) -> None:
        """Count *datagrams* that were lost for the reason *why*."""
        if datagrams:
            with self._lock:
                self._dropped[why] = self._dropped.get(why, 0) + datagrams

    def add(self, name: str, count: int = 1) -> None:
        """Count so many of whatever *name* says; none leave no trace."""
        if count:
            with self._lock:
                self._named[name] = self._named.get(name, 0) + count

    def as_dict(self) -> dict[str, Any]:
        """A copy that JSON can hold: error numbers are strings there."""
        with self._lock:
            errors = {
                direction: {str(number): count for number, count in sorted(seen.items())}
                for direction, seen in self._errors.items()
            }
            return {
                "receive_errors": errors["receive"],
                "send_errors": errors["send"],
                "receives_rearmed": 0,
                **self._named,
                "datagrams_dropped": sum(self._dropped.values()),
                "dropped_by_reason": dict(self._dropped),
            }


COUNTERS = Counters()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=COUNTERS.renew_lock)
