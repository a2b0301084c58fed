"""Which event loop a program gets that names none, by either hook; on Linux with stand-in loops."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from asyncio import events
from typing import Any

import pytest

from tribler_udp_fix._asyncio._event_loop import EventLoopChoice
from tribler_udp_fix._patching._patches import Shape

if sys.platform == "win32":
    Selector: Any = asyncio.SelectorEventLoop
    Proactor: Any = asyncio.ProactorEventLoop
    STOCK = Proactor
else:
    Selector = asyncio.SelectorEventLoop
    STOCK = Selector

    class Proactor(asyncio.SelectorEventLoop):
        """Stands for the other of asyncio's two loops."""


class Foreign(asyncio.SelectorEventLoop):
    """A loop of another package."""


LOOPS = {"proactor": Proactor, "selector": Selector}
OTHER = {"proactor": Selector, "selector": Proactor}
# Private since 3.14, where a function makes the loops of a program that sets no policy.
PolicyBase: Any = vars(events).get("_BaseDefaultEventLoopPolicy")
PublicBase: Any = vars(events).get("BaseDefaultEventLoopPolicy")
by_policy = pytest.mark.skipif(not PublicBase, reason="policies make no loops of themselves")
needs_policies = pytest.mark.skipif(not (PublicBase or PolicyBase), reason="there are no policies")
both = pytest.mark.parametrize("choice", ["proactor", "selector"])


@pytest.fixture(params=[pytest.param(True, marks=by_policy), False], ids=["policy", "function"])
def hook(request: pytest.FixtureRequest) -> Any:
    """Makes the hook for 3.8 to 3.13, and the one for 3.14 and later."""
    made: list[EventLoopChoice] = []

    def make(shapes: Any = None) -> EventLoopChoice:
        made.append(EventLoopChoice(LOOPS, shapes or {}, by_policy=request.param))
        return made[-1]

    yield make
    for choice in made:
        choice.uninstall()


@pytest.fixture(autouse=True)
def _policy() -> Any:
    policy = vars(events).get("_event_loop_policy")
    yield
    vars(events)["_event_loop_policy"] = policy


def set_policy(loop: Any) -> Any:
    """Set one of asyncio's own policies, as a program does that wants this loop."""

    class Policy(PublicBase or PolicyBase):  # type: ignore[misc]
        _loop_factory = loop

    policy = Policy()
    _set(policy)
    return policy


def _set(policy: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(policy)


def kind_of(loop: Any) -> Any:
    loop.close()
    return type(loop)


async def running_kind() -> Any:
    return type(asyncio.get_running_loop())


def bindings() -> list[int]:
    owners: list[Any] = [asyncio, events, asyncio.runners]
    owners += [c for c in vars(events).values() if isinstance(c, type) and "Policy" in c.__name__]
    names = [(owner, name) for owner in owners for name in vars(owner)]
    # By identity. The policy in force is the program's, and made when it is first asked for.
    return [id(vars(owner)[name]) for owner, name in names if name != "_event_loop_policy"]


@both
def test_every_loop_that_nobody_named_is_the_one_that_was_chosen(hook, choice):
    hook().install(choice)
    assert kind_of(asyncio.new_event_loop()) is LOOPS[choice]
    assert kind_of(events.new_event_loop()) is LOOPS[choice]
    assert asyncio.run(running_kind()) is LOOPS[choice]
    if sys.version_info >= (3, 11):
        with asyncio.Runner() as runner:
            assert runner.run(running_kind()) is LOOPS[choice]


@both
@needs_policies
def test_a_policy_of_asyncios_that_the_program_sets_afterwards_does_not_matter(hook, choice):
    hook().install(choice)
    for loop in (OTHER[choice], LOOPS[choice]):
        set_policy(loop)
        assert kind_of(asyncio.new_event_loop()) is LOOPS[choice]
        assert asyncio.run(running_kind()) is LOOPS[choice]


@both
@by_policy
def test_get_event_loop_makes_the_loop_that_was_chosen(choice):
    made = EventLoopChoice(LOOPS, {}, by_policy=True)
    made.install(choice)
    try:
        policy = set_policy(OTHER[choice])
        assert kind_of(policy.new_event_loop()) is LOOPS[choice]
        if sys.version_info < (3, 12):  # where it does so without a warning
            assert kind_of(asyncio.get_event_loop()) is LOOPS[choice]
    finally:
        made.uninstall()


@both
def test_a_loop_that_the_program_names_is_its_own_choice(hook, choice):
    hook().install(choice)
    assert kind_of(OTHER[choice]()) is OTHER[choice]
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=OTHER[choice]) as runner:
            assert runner.run(running_kind()) is OTHER[choice]
    if sys.version_info >= (3, 12):
        assert asyncio.run(running_kind(), loop_factory=OTHER[choice]) is OTHER[choice]


@both
@needs_policies
def test_a_policy_that_makes_another_loop_than_asyncios_is_left_to_the_program(hook, choice):
    hook().install(choice)
    set_policy(Foreign)
    assert kind_of(asyncio.new_event_loop()) is Foreign

    class Policy(PublicBase or PolicyBase):  # type: ignore[misc]
        def new_event_loop(self) -> Any:
            return Foreign()

    _set(Policy())
    assert asyncio.run(running_kind()) is Foreign


@both
def test_another_thread_gets_the_loop_that_was_chosen(hook, choice):
    hook().install(choice)
    kinds: list[Any] = []
    thread = threading.Thread(target=lambda: kinds.append(asyncio.run(running_kind())))
    thread.start()
    thread.join(30)
    assert kinds == [LOOPS[choice]]


def test_keep_replaces_nothing_and_uninstall_puts_everything_back(hook):
    before = bindings()
    made = hook()
    made.install("keep")
    assert made.state == ("not needed", "loop=keep")
    assert bindings() == before
    for choice in ("proactor", "selector", "proactor"):
        made.install(choice)
        made.install(choice)
        assert made.state[0] == "applied"
        assert f"loop={choice}" in made.state[1]
        assert kind_of(asyncio.new_event_loop()) is LOOPS[choice]
        assert bindings() != before
    made.uninstall()
    assert made.state == ("off", "not installed")
    assert bindings() == before
    assert kind_of(asyncio.new_event_loop()) is STOCK


def test_a_loop_that_runs_when_the_choice_is_taken_back_goes_on(hook):
    made = hook()
    made.install("selector")

    async def main() -> Any:
        made.uninstall()
        await asyncio.sleep(0)
        return await running_kind()

    assert asyncio.run(main()) is Selector


def test_where_python_makes_loops_in_an_unknown_way_the_choice_is_refused(hook, monkeypatch):
    def new_event_loop(kind: Any) -> Any:
        raise AssertionError("never called")

    monkeypatch.setattr(events, "new_event_loop", new_event_loop)
    before = bindings()
    made = hook()
    made.install("selector")
    assert made.state == ("refused", "asyncio.events.new_event_loop takes (kind)")
    assert bindings() == before


def test_a_choice_whose_loop_is_not_what_we_know_is_refused_and_the_other_taken(hook):
    made = hook({"proactor": [Shape(Proactor, "hear", ["self"])]})
    made.install("proactor")
    assert made.state == ("refused", f"{Proactor.__name__}.hear is not there")
    assert kind_of(asyncio.new_event_loop()) is STOCK
    made.install("selector")
    assert kind_of(asyncio.new_event_loop()) is Selector


def test_where_policies_are_gone_the_function_alone_is_enough(monkeypatch):
    """As in 3.16: asyncio.new_event_loop() knows no policy, and Runner calls it."""

    def new_event_loop() -> Any:
        return STOCK()

    for name in [name for name in vars(events) if "olicy" in name]:
        monkeypatch.delattr(events, name)
    monkeypatch.setattr(events, "new_event_loop", new_event_loop)
    monkeypatch.setattr(asyncio, "new_event_loop", new_event_loop)
    monkeypatch.setattr(events, "set_event_loop", lambda loop: None)
    made = EventLoopChoice(LOOPS, {}, by_policy=False)
    try:
        for choice in ("selector", "proactor"):
            made.install(choice)
            assert made.state[0] == "applied"
            assert asyncio.run(running_kind()) is LOOPS[choice]
            assert kind_of(asyncio.new_event_loop()) is LOOPS[choice]
    finally:
        made.uninstall()
    assert vars(asyncio)["new_event_loop"] is vars(events)["new_event_loop"] is new_event_loop
