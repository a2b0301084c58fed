"""IPv8's modules, repaired as the program imports them, or where it has already."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
from typing import TYPE_CHECKING, Callable

from tribler_udp_fix import _import_hook
from tribler_udp_fix._ipv8._names import TARGETS, is_loaded, is_under_way, loaded_class
from tribler_udp_fix._repair_set import RepairSet, State
from tribler_udp_fix._startup import leave
from tribler_udp_fix._status import APPLIED, NOT_NEEDED, OFF, REFUSED

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Sequence

logger = logging.getLogger("tribler_udp_fix")

_NOT_IMPORTED: State = (OFF, "pyipv8 is not imported")
_MOST_TELLING_FIRST = (REFUSED, OFF, APPLIED, NOT_NEEDED)


class IPv8Repairs:
    """The repairs of every module in ``TARGETS`` that the program has imported."""

    def __init__(self) -> None:
        # By class: a program that reloads a module has another one then.
        self._sets: dict[type | None, RepairSet] = {}
        self._unknown: dict[str, State] = {}

    def install(self) -> None:
        """Repair what the program has imported; raises what applying a patch raises."""
        for module in TARGETS:
            if is_loaded(module):
                self.repair(module)

    def repair(self, module: str) -> None:
        """Repair one module, whose code has run; raises what applying a patch raises."""
        from tribler_udp_fix._ipv8._repairs import repair_of  # late: it imports asyncio

        cls = loaded_class(module, TARGETS[module].cls)
        try:
            if cls not in self._sets:
                self._sets[cls] = RepairSet([repair_of(module)])
        except LookupError as exc:
            logger.warning("left alone: %s", exc)
            self._unknown[module] = REFUSED, str(exc)
        else:
            self._unknown.pop(module, None)
            self._sets[cls].install()

    def uninstall(self) -> None:
        """Take every repair back, those of classes that were reloaded since included."""
        self._unknown.clear()
        for repairs in self._sets.values():
            repairs.uninstall()
        service = sys.modules.get("tribler_udp_fix._ipv8._service")
        if service is not None:
            service.stop_all()

    def state(self, fault: str) -> State:
        """How the repairs of *fault* stand, the most telling of them first."""
        states = [
            self._state_of(module, fault)
            for module, target in TARGETS.items()
            if fault in target.faults and is_loaded(module)
        ]
        if not states:
            return _NOT_IMPORTED
        states.sort(key=lambda state: _MOST_TELLING_FIRST.index(state[0]))
        return states[0][0], "; ".join(dict.fromkeys(reason for _, reason in states))

    def _state_of(self, module: str, fault: str) -> State:
        if module in self._unknown:
            return self._unknown[module]
        repairs = self._sets.get(loaded_class(module, TARGETS[module].cls))
        states = repairs.states if repairs else {}
        return states.get(fault, (OFF, "not installed"))


def wait_for_imports() -> None:
    """Wait until no other thread is importing a module of ``TARGETS``."""
    for module in TARGETS:
        if is_under_way(module):
            with contextlib.suppress(Exception):  # it is the other thread's to raise
                importlib.import_module(module)
        if is_loaded(module):
            # What the repairs need: asyncio, and whoever repairs that may hold its import lock.
            importlib.import_module("tribler_udp_fix._ipv8._repairs")


class IPv8Finder:
    """A finder on ``sys.meta_path`` that finds nothing, and tells when IPv8's modules have run.

    Not wrapt's post-import hooks: these take a module that another thread is importing for one that
    is there, run some hooks under a lock (wrapt 1.14), and stay on ``sys.meta_path`` for ever.
    """

    def __init__(self, ran: Callable[[str], None]) -> None:
        self._ran = ran

    def enter(self) -> None:
        """Go on ``sys.meta_path``, unless this finder is there."""
        if not any(finder is self for finder in sys.meta_path):
            sys.meta_path = [self, *sys.meta_path]  # as leave() does, and for its reason

    def leave(self) -> None:
        """Leave ``sys.meta_path``."""
        leave(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """What the finders behind this one find, for IPv8's modules; else None."""
        if fullname not in TARGETS:
            return None

        def ran(succeeded: bool) -> None:
            if not succeeded:
                return
            try:
                self._ran(fullname)
            except Exception:  # it would make the program's import fail
                logger.exception("%s is imported, and not repaired", fullname)

        return _import_hook.find_spec(self, fullname, path, target, ran)
