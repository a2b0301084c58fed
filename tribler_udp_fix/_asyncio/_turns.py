"""The share of a turn of the event loop that its datagram transports have, all together.

Fairness belongs to the loop: a hundred endpoints that are flooded, each with a share of its own,
would keep everybody else waiting a hundred times as long as one.
"""

from __future__ import annotations

import asyncio
import collections
import weakref
from time import perf_counter
from typing import Any

# A third of what Windows' own timers may be late, 15.6 ms.
SHARE = 0.005  # seconds
# Datagrams that one transport reads or sends before others have their turn.
DATAGRAMS = 128


class Turns:
    """Those transports of one event loop that have more to read, served in the order they came.

    While there is one, the next turn of the loop goes on with them, whatever became of this one:
    also where a handler raised, or runs the loop itself and waits in there.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: Any = weakref.ref(loop)  # which keeps these turns
        self._waiting: dict[Any, None] = {}
        self._next: asyncio.Handle | None = None
        # The same, as long as the loop cannot have counted on it: while whatever scheduled it runs.
        # Who enters to read forgets it in the end, however that is.
        self.fresh: asyncio.Handle | None = None
        self._until = 0.0
        # What the loop has to run in this turn and the next, where it is asyncio's own; or None.
        ready = getattr(loop, "_ready", None)
        self.ready: Any = ready if isinstance(ready, collections.deque) else None

    def enter(self, reader: Any) -> None:
        """Have *reader*'s ``read_in_turn()`` called in the next turn, until it leaves."""
        self._waiting[reader] = None
        if self._next is None:
            self._begin()

    def enter_to_read(self, reader: Any) -> float:
        """As ``enter()``, of one that reads now, and then forgets what is ``fresh``."""
        self._waiting[reader] = None
        if self._next is None:
            self._begin()
            self.fresh = self._next
        return self._until

    def had_share(self, reader: Any) -> None:
        """It has still more, and comes after those that wait for their share."""
        if self._waiting.pop(reader, self) is None:
            self._waiting[reader] = None

    def leave(self, reader: Any) -> None:
        """It reads no more, for whatever reason."""
        self._waiting.pop(reader, None)

    def rests(self, reader: Any) -> None:
        """It has read everything, in the turn that it entered to read in, or was given."""
        self._waiting.pop(reader, None)
        # If nothing but the next turn of ours is left to run, this one is over for everybody, and
        # the loop may rest at once, without a look at what is ready. What it has counted as this
        # turn's must stay: it would look for it in vain, and end of that.
        fresh = self.fresh
        if (
            fresh is not None
            and not self._waiting
            and self.ready is not None
            and len(self.ready) == 1
            and self.ready[0] is fresh
        ):
            self.ready.remove(fresh)
            self._next = self.fresh = None

    def let_others(self) -> None:
        """Have the next turn of ours come after whatever has been scheduled by now."""
        following = self._next
        if following is None or (self.ready and self.ready[-1] is following):
            return
        # In this order, whatever interrupts it: who waits is always sure of a turn.
        self._next = self._loop().call_soon(self._turn)
        if self.fresh is following:
            self.fresh = self._next
        following.cancel()

    def __contains__(self, reader: object) -> bool:
        return reader in self._waiting

    def _begin(self) -> None:
        self._next = self._loop().call_soon(self._turn)
        self._until = perf_counter() + SHARE
        if not self.ready:  # a loop that has one, and schedules in another way
            self.ready = None

    def _turn(self) -> None:
        if not self._waiting:
            self._next = None
            return
        self._begin()
        begun = self._next
        try:
            for reader in list(self._waiting):
                if perf_counter() >= self._until:
                    break
                if reader in self._waiting:
                    del self._waiting[reader]  # if it has still more, it comes last
                    if self._next is begun:  # no handler has run the loop
                        self.fresh = begun
                    reader.read_in_turn()
        finally:
            self.fresh = None


def turns_of(loop: Any) -> Turns:
    """The turns that the transports of *loop* share."""
    # Kept by the loop itself: in a dictionary, weak or not, it would keep the loop, of which its
    # transports, and what is scheduled, know.
    turns: Turns | None = getattr(loop, _ATTRIBUTE, None)
    if turns is None:
        turns = Turns(loop)
        setattr(loop, _ATTRIBUTE, turns)
    return turns


_ATTRIBUTE = "_tribler_udp_fix_turns"
