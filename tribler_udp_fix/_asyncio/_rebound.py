"""What becomes of an endpoint that is given another socket."""

from __future__ import annotations

from typing import NamedTuple


class EndpointGone(Exception):
    """The endpoint was closed by its owner: there is nothing to rebind."""


class Rebound(NamedTuple):
    """A new socket. ``seconds`` is the time without one, the counts are datagrams."""

    port: int
    moved: bool
    seconds: float
    queued: int
    lost: int
