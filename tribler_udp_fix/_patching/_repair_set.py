"""Repairs that are applied together, and how each of them stands."""

from __future__ import annotations

from typing import Sequence

from tribler_udp_fix._patching._notes import note
from tribler_udp_fix._patching._patches import Repair, apply_all, first_mismatch
from tribler_udp_fix._patching._states import APPLIED, NOT_NEEDED, OFF, REFUSED, State


class RepairSet:
    """Applies what is known, refuses what is not; ``states`` tells of each fault that it mends."""

    def __init__(self, repairs: Sequence[Repair]) -> None:
        self.states: dict[str, State] = {}
        self._repairs = repairs
        self._installed = False

    def install(self) -> None:
        """Apply the repairs; when one raises, none stays, and the exception goes on."""
        if self._installed:
            return
        known: list[Repair] = []
        states: dict[str, State] = {}
        for repair in self._repairs:
            mismatch = first_mismatch(repair.shapes)
            if mismatch is not None:
                note(f"{', '.join(repair.faults)} left alone: {mismatch}")
                state = REFUSED, mismatch
            elif repair.not_needed:
                state = NOT_NEEDED, repair.not_needed
            else:
                known.append(repair)
                state = APPLIED, repair.how
            # Where several mend one fault, what is refused tells most.
            refused = {fault for fault in states if states[fault][0] == REFUSED}
            states.update(dict.fromkeys([f for f in repair.faults if f not in refused], state))
        try:
            apply_all([patch for repair in known for patch in repair.patches])
        except BaseException as exc:  # an interrupt, too, must not leave states that are not so
            off = OFF, f"could not be applied: {exc!r}"
            self.states = {fault: off for repair in known for fault in repair.faults}
            raise
        self._installed = True
        self.states = states

    def uninstall(self) -> None:
        """Take every patch back; one that another package has wrapped stays, switched off."""
        self._installed = False
        self.states = {}
        for repair in self._repairs:
            left = [reason for patch in repair.patches for reason in [patch.restore()] if reason]
            if left:
                off = OFF, f"off, but in place: {left[0]}"
                self.states.update(dict.fromkeys(repair.faults, off))
