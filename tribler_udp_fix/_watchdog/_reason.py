"""Why an endpoint cannot hear, or cannot be judged, in words."""

from __future__ import annotations

from typing import Callable

from tribler_udp_fix._watchdog._policy import Input, State

NEVER_OPENED = "never opened"
CLOSED = "its program has closed it"

_CLOSED = {"": CLOSED, NEVER_OPENED: "it has not been opened"}
_LATE = "its event loop was too late to tell whether it hears"


class Reason:
    """Follows what happens to one endpoint. ``unsent`` is why its last probe was not sent."""

    def __init__(self) -> None:
        self.words = ""
        self.unsent = ""

    def follow(self, event: Input, state: State, cause: str, why_not: Callable[[], str]) -> None:
        """*event* has led to *state*, because of *cause*.

        *why_not* says why it is not given another socket, or "".
        """
        if event is Input.UNBINDABLE:
            self.words = cause
        elif state is State.HEALTHY:
            self.words = ""
        elif state is State.BACKING_OFF and why_not():
            self.words = f"it hears nothing, and gets no other socket: {why_not()}"
        elif event is Input.CLOSED:
            self.words = _CLOSED[cause]
        elif state is State.UNKNOWN and event is Input.LATE:
            self.words = _LATE
        elif state is State.UNKNOWN and event is Input.UNSENT:
            self.words = f"no probe can be sent: {self.unsent}"
