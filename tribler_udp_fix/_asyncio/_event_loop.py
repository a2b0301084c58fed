"""Which event loop a program gets that names none: the setting ``loop``.

Up to Python 3.13 each loop that nobody named is made by ``new_event_loop()`` of asyncio's base
policy, for ``run()``, ``Runner``, ``new_event_loop()`` and ``get_event_loop()`` alike, whichever of
asyncio's policies the program has set. From 3.14 on ``get_event_loop()`` makes none any more, and
policies are deprecated, to be gone in 3.16 (https://github.com/python/cpython/issues/127949): there
it is the function ``asyncio.new_event_loop()``, which ``Runner`` calls.

A loop that the program names, with ``loop_factory=`` or by its class, is its own choice, and so is
a policy that makes a loop other than asyncio's two.
"""

from __future__ import annotations

import asyncio
from asyncio import events, runners
from typing import Any, Callable, Mapping, Sequence

from tribler_udp_fix._faults import EVENT_LOOP
from tribler_udp_fix._patching._patches import (
    Check,
    Exported,
    Inherited,
    Patch,
    Repair,
    Shape,
    home_of,
)
from tribler_udp_fix._patching._repair_set import RepairSet
from tribler_udp_fix._patching._states import OFF, State

KEEP = "keep"

_events: Any = events
_POLICIES_MAKE_LOOPS = hasattr(_events, "BaseDefaultEventLoopPolicy")  # private since 3.14


class EventLoopChoice:
    """Gives a program one of asyncio's event loops in place of the other.

    *loops* are these, by the name of their choice; *shapes* what a choice relies on besides.
    """

    def __init__(
        self,
        loops: Mapping[str, Callable[[], Any]],
        shapes: Mapping[str, Sequence[Check]],
        *,
        by_policy: bool = _POLICIES_MAKE_LOOPS,
    ) -> None:
        self._loops = loops
        self._shapes = shapes
        self._target = self._of_policies() if by_policy else self._of_function()
        self._repairs = RepairSet([])
        self._choice: str | None = None
        self._wanted: Callable[[], Any]

    @property
    def state(self) -> State:
        """How the choice stands, as ``status()`` has it."""
        return self._repairs.states.get(EVENT_LOOP.id, (OFF, "not installed"))

    def install(self, choice: str) -> None:
        """Take *choice* from now on; ``keep`` replaces nothing. Raises what a patch raises."""
        if choice == self._choice:
            return
        self.uninstall()
        if choice != KEEP:
            self._wanted = self._loops[choice]  # before another thread can ask for one
        self._repairs = RepairSet([self._repair(choice)])
        self._repairs.install()
        self._choice = choice

    def uninstall(self) -> None:
        """Put everything back; event loops that were made stay what they are."""
        self._choice = None
        self._repairs.uninstall()

    def _repair(self, choice: str) -> Repair:
        if choice == KEEP:
            return Repair("", (EVENT_LOOP.id,), not_needed=f"loop={KEEP}")
        shapes, patch = self._target
        how = f"loop={choice}: {choice.title()}EventLoop where the program names none"
        return Repair(how, (EVENT_LOOP.id,), (*shapes, *self._shapes.get(choice, ())), (patch,))

    def _of_policies(self) -> tuple[tuple[Check, ...], Patch]:
        base = _events.BaseDefaultEventLoopPolicy
        name = "new_event_loop"
        policies = ("DefaultEventLoopPolicy", "WindowsSelectorEventLoopPolicy")
        shapes: tuple[Check, ...] = (
            Shape(base, name, ["self"], ["_loop_factory"]),
            *(
                Inherited(getattr(asyncio, policy), name, base)
                for policy in policies
                if hasattr(asyncio, policy)
            ),
            Shape(events, name, [], ["get_event_loop_policy", name]),
            _runner(),
        )

        def make(wrapped: Callable[..., Any], policy: Any, *_: Any) -> Any:
            return self._wanted() if self._makes_asyncios_own(policy) else wrapped()

        return shapes, Patch(base, name, make)

    def _of_function(self) -> tuple[tuple[Check, ...], Patch]:
        name = "new_event_loop"
        shapes: tuple[Check, ...] = (
            Shape(events, name, []),
            Exported(asyncio, name, events),
            _runner(),
        )

        def make(wrapped: Callable[..., Any], *_: Any) -> Any:
            # Only to leave a program its own policy: 3.16 has no such name.
            policy = vars(events).get("_event_loop_policy")
            if policy is None or (_is_stock(policy) and self._makes_asyncios_own(policy)):
                return self._wanted()
            return wrapped()

        return shapes, Patch(events, name, make, (asyncio,))

    def _makes_asyncios_own(self, policy: Any) -> bool:
        factory = getattr(policy, "_loop_factory", None)
        return any(factory is loop for loop in self._loops.values())


def _is_stock(policy: Any) -> bool:
    home = home_of(type(policy), "new_event_loop")
    return home is not None and home.__module__ == events.__name__


def _runner() -> Shape:
    runner = getattr(runners, "Runner", None)  # since 3.11
    if runner is None:
        return Shape(runners, "run", ["main", "debug"], ["new_event_loop"])
    return Shape(runner, "_lazy_init", ["self"], ["_loop_factory", "new_event_loop"])
