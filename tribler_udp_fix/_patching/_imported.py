"""Modules of somebody else's package, repaired where the program has imported them."""

from __future__ import annotations

import sys
from typing import Mapping, NamedTuple

from tribler_udp_fix._imports._modules import Target, is_loaded, loaded
from tribler_udp_fix._imports._whole import import_whole, is_under_way
from tribler_udp_fix._patching._notes import note
from tribler_udp_fix._patching._repair_set import RepairSet
from tribler_udp_fix._patching._states import APPLIED, NOT_NEEDED, OFF, REFUSED, State
from tribler_udp_fix._patching._wrapt import wrapt_patches

_MOST_TELLING_FIRST = (REFUSED, OFF, APPLIED, NOT_NEEDED)


class Package(NamedTuple):
    """A package of somebody else's, and what is repaired in it: by module, a class or function.

    ``repairs`` is the module of ours whose ``repair_of()`` knows how; importing it imports asyncio.
    """

    name: str
    targets: Mapping[str, Target]
    repairs: str


class ImportedRepairs:
    """The repairs of every module of a package's targets that the program has imported."""

    def __init__(self, package: Package) -> None:
        self.package = package
        self.faults = {fault for target in package.targets.values() for fault in target.faults}
        # By class or function: a program that reloads a module has another one then.
        self._sets: dict[object, RepairSet] = {}
        self._unknown: dict[str, State] = {}

    @property
    def is_needed(self) -> bool:
        """Whether the program has imported any of the targets."""
        return any(map(is_loaded, self.package.targets))

    def load(self) -> None:
        """Import what the repairs need; raises what that raises. No lock may be held here."""
        import_whole(self.package.repairs)
        wrapt_patches()

    def give_up(self, exc: Exception) -> None:
        """Repair nothing of what is imported by now, because ``load()`` has raised *exc*."""
        note(f"{self.package.name} is not repaired: {exc!r}")
        state = OFF, f"could not be applied: {exc!r}"
        self._unknown.update(dict.fromkeys(self.left(), state))

    def left(self) -> list[str]:
        """The modules that the program has imported, and that were not tried to repair yet."""
        return [
            module
            for module, target in self.package.targets.items()
            if is_loaded(module)
            and module not in self._unknown
            and loaded(module, target.name) not in self._sets
        ]

    def install(self) -> None:
        """Repair what the program has imported, after ``load()``; raises what a patch raises."""
        for module in self.package.targets:
            if is_loaded(module):
                self.repair(module)

    def repair(self, module: str) -> None:
        """Repair one module, after ``load()``; raises what applying a patch raises."""
        repair_of = sys.modules[self.package.repairs].repair_of
        target = loaded(module, self.package.targets[module].name)
        try:
            if target not in self._sets:
                self._sets[target] = RepairSet([repair_of(module)])
        except LookupError as exc:
            if self._is_under_way():
                return  # what is missing may be there next time
            faults = ", ".join(self.package.targets[module].faults)
            note(f"{faults} left alone: {exc}")
            self._unknown[module] = REFUSED, str(exc)
        else:
            self._unknown.pop(module, None)
            self._sets[target].install()

    def try_to_repair(self, module: str) -> None:
        """Repair one module, after ``load()``; where that fails ``state()`` says why."""
        try:
            self.repair(module)
        except Exception as exc:  # what the program has besides stays repaired
            self._unknown[module] = OFF, f"could not be applied: {exc!r}"
            note(f"{module} is not repaired: {exc!r}")

    def _is_under_way(self) -> bool:
        roots = {module.partition(".")[0] for module in self.package.targets}
        return any(
            name.partition(".")[0] in roots and is_under_way(name) for name in [*sys.modules]
        )

    def uninstall(self) -> None:
        """Take every repair back, those of classes that were reloaded since included."""
        self._unknown.clear()
        for repairs in self._sets.values():
            repairs.uninstall()

    def state(self, fault: str) -> State:
        """How the repairs of *fault* stand, the most telling of them first."""
        states = [
            self._state_of(module, fault)
            for module, target in self.package.targets.items()
            if fault in target.faults and is_loaded(module)
        ]
        if not states:
            return OFF, f"{self.package.name} is not imported"
        states.sort(key=lambda state: _MOST_TELLING_FIRST.index(state[0]))
        return states[0][0], "; ".join(dict.fromkeys(reason for _, reason in states))

    def _state_of(self, module: str, fault: str) -> State:
        if module in self._unknown:
            return self._unknown[module]
        repairs = self._sets.get(loaded(module, self.package.targets[module].name))
        states = repairs.states if repairs else {}
        return states.get(fault, (OFF, "not installed"))
