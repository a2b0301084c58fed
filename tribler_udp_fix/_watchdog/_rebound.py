"""What is told of a new socket, and when: a rebind has succeeded when a datagram was heard."""

from __future__ import annotations

import dataclasses
from typing import Callable

from tribler_udp_fix._watchdog._events import Event, EventKind
from tribler_udp_fix._watchdog._policy import Action, Input, State


class Rebound:
    """One endpoint's newest socket, from when it is there to when what became of it is told.

    tell: is handed each event.
    """

    def __init__(self, tell: Callable[[Event], object]) -> None:
        self._tell = tell
        self._event: Event | None = None
        self._unheard = False
        self.failed = 0  # rebinds whose port could not be bound, or whose socket heard nothing

    def bound(self, event: Event) -> None:
        """There is a new socket; *event* is what to tell once it is proved."""
        self._event, self._unheard = event, False

    def refused(self, event: Event) -> None:
        """There is none; *event* says why."""
        self.failed += 1
        self._tell(event)

    def follow(self, event: Input, state: State, action: Action) -> None:
        """The policy was fed *event*, is in *state* now and asks for *action*."""
        if state is State.HEALTHY:
            self._end()
        elif state is State.UNKNOWN:
            self.give_up()
        elif action is Action.REBIND:
            self._fail()
            self._event = None
        elif state is State.BACKING_OFF and event not in (Input.UNSENT, Input.UNBINDABLE):
            self._fail()

    def give_up(self) -> None:
        """Nobody will find out whether it hears."""
        self._end(unproved=True)

    def _end(self, unproved: bool = False) -> None:
        event, self._event = self._event, None
        if event is not None:
            self._tell(dataclasses.replace(event, unproved=unproved))

    def _fail(self) -> None:
        # Once; it is kept, for it may still hear after its read was armed again.
        if self._event is not None and not self._unheard:
            self._unheard = True
            cause = "the new socket heard nothing"
            self.refused(
                dataclasses.replace(self._event, kind=EventKind.REBIND_FAILED, cause=cause)
            )
