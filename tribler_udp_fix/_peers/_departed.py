"""Who had gone when IPv8's network forgot it: nobody asks it any more, and its verdict lapses."""

from __future__ import annotations

import collections
from typing import Any

from tribler_udp_fix._peers._heartbeat_policy import AGAIN

REMEMBERED = 1000  # peers


class Departed:
    """The peers that went, by their keys, and from which address. Times are of one clock."""

    def __init__(self) -> None:
        self._gone: collections.OrderedDict[bytes, tuple[float, float, Any]] = (
            collections.OrderedDict()
        )

    def add(self, key: bytes, address: Any, heard_at: float, now: float) -> None:
        """Remember one that was heard last at *heard_at*; of too many the first is forgotten."""
        self._gone[key] = heard_at, now, tuple(address)
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def take_out(self, key: bytes) -> float | None:
        """Forget one, which is back; returns when it was heard last, None where it is unknown."""
        found = self._gone.pop(key, None)
        return found[0] if found is not None else None

    def holds(self, key: bytes, address: Any, now: float) -> bool:
        """Whether the verdict still holds: for a while, and for where it was."""
        _, until, was_at = self._gone.get(key, (0.0, float("-inf"), None))
        return now < until + AGAIN and tuple(address) == was_at

    def clear(self) -> None:
        """Forget all of them."""
        self._gone.clear()
