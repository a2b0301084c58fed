"""What a request can fail of."""

from __future__ import annotations


class RequestFailed(Exception):
    """A request that has no answer. ``attempts``: how often it was sent."""

    def __init__(self, message: str, attempts: int = 0) -> None:
        super().__init__(message)
        self.attempts = attempts


class RequestTimeout(RequestFailed):
    """The peer did not answer in time."""


class PeerGone(RequestFailed):
    """The peer is known to have left."""


class EndpointClosed(RequestFailed):
    """The own endpoint is closed, or was before there was an answer."""
