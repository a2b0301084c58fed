"""What is told of peers: an event for each that goes and returns, and how all are doing."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any


class PeerEventKind(enum.Enum):
    """What has become of a peer."""

    GONE = "gone"  # it has answered nothing that it was asked; told once
    RETURNED = "returned"  # it had gone, and is heard again


@dataclasses.dataclass(frozen=True)
class PeerEvent:
    """A peer has gone, or is back.

    kind: which of both. peer: IPv8's own ``Peer`` object.
    at: when, in seconds since the epoch.
    silent: for how many seconds nothing had been heard of it.
    """

    kind: PeerEventKind
    peer: Any
    at: float
    silent: float

    def __str__(self) -> str:
        return f"{self.peer} {self.kind.value} after {self.silent:.0f} s of silence"


@dataclasses.dataclass(frozen=True)
class PeersStatus:
    """The peers of one IPv8 instance, at one moment.

    alive, quiet, suspect, gone: how many there are of each state.
    median_rtt: seconds, over the peers that have answered a ping; None where none has.
    pings, answers: how many were sent, and answered, since the monitor started.
    went, returned: how many events of each kind there were.
    reason: what ails them all, in words, "" for nothing: that this node cannot hear, or that it
        can, and nobody answers.
    """

    alive: int
    quiet: int
    suspect: int
    gone: int
    median_rtt: float | None
    pings: int
    answers: int
    went: int
    returned: int
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold."""
        return dataclasses.asdict(self)
