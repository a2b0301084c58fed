"""Modules of IPv8 and Tribler, repaired as the program imports them, or where it has already."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from typing import TYPE_CHECKING, Callable, Mapping, NamedTuple

from tribler_udp_fix import _import_hook
from tribler_udp_fix._ipv8._names import TARGETS as IPV8_TARGETS
from tribler_udp_fix._ipv8._names import Target, is_loaded, is_under_way, loaded
from tribler_udp_fix._repair_set import RepairSet, State
from tribler_udp_fix._startup import leave
from tribler_udp_fix._status import APPLIED, NOT_NEEDED, OFF, REFUSED
from tribler_udp_fix._tribler._names import TARGETS as TRIBLER_TARGETS

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Sequence

logger = logging.getLogger("tribler_udp_fix")

_MOST_TELLING_FIRST = (REFUSED, OFF, APPLIED, NOT_NEEDED)


class Package(NamedTuple):
    """A package of somebody else's, and what is repaired in it: by module, a class or function.

    ``repairs`` is the module of ours whose ``repair_of()`` knows how; importing it imports asyncio.
    """

    name: str
    targets: Mapping[str, Target]
    repairs: str


IPV8 = Package("pyipv8", IPV8_TARGETS, "tribler_udp_fix._ipv8._repairs")
TRIBLER = Package("Tribler", TRIBLER_TARGETS, "tribler_udp_fix._tribler._repairs")
PACKAGES = {module: package for package in (IPV8, TRIBLER) for module in package.targets}


class ImportedRepairs:
    """The repairs of every module of a package's targets that the program has imported."""

    def __init__(self, package: Package) -> None:
        self._package = package
        # By class or function: a program that reloads a module has another one then.
        self._sets: dict[object, RepairSet] = {}
        self._unknown: dict[str, State] = {}

    def install(self) -> None:
        """Repair what the program has imported; raises what applying a patch raises."""
        for module in self._package.targets:
            if is_loaded(module):
                self.repair(module)

    def repair(self, module: str) -> None:
        """Repair one module, whose code has run; raises what applying a patch raises."""
        repair_of = importlib.import_module(self._package.repairs).repair_of  # it imports asyncio
        target = loaded(module, self._package.targets[module].name)
        try:
            if target not in self._sets:
                self._sets[target] = RepairSet([repair_of(module)])
        except LookupError as exc:
            logger.warning("left alone: %s", exc)
            self._unknown[module] = REFUSED, str(exc)
        else:
            self._unknown.pop(module, None)
            self._sets[target].install()

    def uninstall(self) -> None:
        """Take every repair back, those of classes that were reloaded since included."""
        self._unknown.clear()
        for repairs in self._sets.values():
            repairs.uninstall()

    def state(self, fault: str) -> State:
        """How the repairs of *fault* stand, the most telling of them first."""
        states = [
            self._state_of(module, fault)
            for module, target in self._package.targets.items()
            if fault in target.faults and is_loaded(module)
        ]
        if not states:
            return OFF, f"{self._package.name} is not imported"
        states.sort(key=lambda state: _MOST_TELLING_FIRST.index(state[0]))
        return states[0][0], "; ".join(dict.fromkeys(reason for _, reason in states))

    def _state_of(self, module: str, fault: str) -> State:
        if module in self._unknown:
            return self._unknown[module]
        repairs = self._sets.get(loaded(module, self._package.targets[module].name))
        states = repairs.states if repairs else {}
        return states.get(fault, (OFF, "not installed"))


def wait_for_imports() -> None:
    """Wait until no other thread is importing a module of ``PACKAGES``."""
    for module, package in PACKAGES.items():
        if is_under_way(module):
            with contextlib.suppress(Exception):  # it is the other thread's to raise
                importlib.import_module(module)
        if is_loaded(module):
            # What the repairs need: asyncio, and whoever repairs that may hold its import lock.
            importlib.import_module(package.repairs)


class ImportFinder:
    """A finder on ``sys.meta_path`` that finds nothing, and tells when a module to repair has run.

    Not wrapt's post-import hooks: these take a module that another thread is importing for one that
    is there, run some hooks under a lock (wrapt 1.14), and stay on ``sys.meta_path`` for ever.
    """

    def __init__(self, ran: Callable[[str], None]) -> None:
        self._ran = ran

    def enter(self) -> bool:
        """Go on ``sys.meta_path``; return whether this finder was not there yet."""
        if any(finder is self for finder in sys.meta_path):
            return False
        sys.meta_path = [self, *sys.meta_path]  # as leave() does, and for its reason
        return True

    def leave(self) -> None:
        """Leave ``sys.meta_path``."""
        leave(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """What the finders behind this one find, for the modules of ``PACKAGES``; else None."""
        if fullname not in PACKAGES:
            return None

        def ran(succeeded: bool) -> None:
            if not succeeded:
                return
            try:
                self._ran(fullname)
            except Exception:  # it would make the program's import fail
                logger.exception("%s is imported, and not repaired", fullname)

        return _import_hook.find_spec(self, fullname, path, target, ran)
