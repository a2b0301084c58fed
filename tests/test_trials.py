"""The trials' frame, on any machine; what they find is in tests/windows/test_catalogue.py."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import pytest

from tribler_udp_fix import _trials
from tribler_udp_fix._faults import FAULTS
from tribler_udp_fix._trials._stage import Stage, Undecided


def new_loop() -> asyncio.AbstractEventLoop:
    """The loop that every machine has."""
    return asyncio.SelectorEventLoop()


def outcome_of(
    trial: _trials.Trial, monkeypatch: pytest.MonkeyPatch, time_limit: float = 5.0
) -> _trials.Outcome:
    """Run one trial of our own in the place of F1's."""
    monkeypatch.setitem(_trials.TRIALS, "F1", trial)
    (outcome,) = _trials.run_trials(["F1"], new_loop, time_limit)
    return outcome


def test_every_fault_of_the_catalogue_has_a_trial() -> None:
    assert list(_trials.TRIALS) == list(FAULTS)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has a Proactor")
def test_where_there_is_no_proactor_every_fault_is_absent() -> None:
    assert {outcome.verdict for outcome in _trials.run_trials()} == {"absent"}


def test_the_faults_asked_for_are_tried_in_the_order_asked_for() -> None:
    outcomes = _trials.run_trials(["F8", "F6"], new_loop)
    assert [outcome.fault for outcome in outcomes] == ["F8", "F6"]
    assert {outcome.verdict for outcome in outcomes} == {"healthy"}


def test_an_unknown_fault_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"'F99'.* F1, F2, .*F10"):
        _trials.run_trials(["F99"])


def test_the_selector_loop_has_none_of_the_faults_that_any_machine_can_show() -> None:
    outcomes = _trials.run_trials(["F3", "F5", "F6", "F7", "F8"], new_loop)
    assert {outcome.verdict for outcome in outcomes} == {"healthy"}, outcomes


def test_a_trial_that_takes_too_long_leaves_the_verdict_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def wait_for_ever(stage: Stage) -> tuple[str, str]:
        await asyncio.Event().wait()
        raise AssertionError

    outcome = outcome_of(wait_for_ever, monkeypatch, time_limit=0.1)
    assert (outcome.verdict, outcome.observed) == (
        "unknown",
        "the trial did not end within 0.1 s",
    )


def test_a_trial_that_blocks_its_thread_does_not_block_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    async def block(stage: Stage) -> tuple[str, str]:
        released.wait()
        return "healthy", "too late"

    start = time.monotonic()
    outcome = outcome_of(block, monkeypatch, time_limit=0.1)
    assert outcome.verdict == "unknown"
    assert outcome.observed.startswith("hung for")
    assert time.monotonic() - start < 10
    released.set()
    for thread in threading.enumerate():
        if thread.name == "trial F1":
            thread.join(10)


def test_a_trial_that_raises_leaves_the_verdict_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(stage: Stage) -> tuple[str, str]:
        raise RuntimeError("bad luck")

    outcome = outcome_of(fail, monkeypatch)
    assert outcome.verdict == "unknown"
    assert "RuntimeError('bad luck')" in outcome.observed


def test_a_trial_that_this_machine_cannot_show_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def give_up(stage: Stage) -> tuple[str, str]:
        raise Undecided("no such thing here")

    outcome = outcome_of(give_up, monkeypatch)
    assert (outcome.verdict, outcome.observed) == ("unknown", "no such thing here")


def test_a_callback_that_fails_behind_the_trials_back_is_no_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def look_away(stage: Stage) -> tuple[str, str]:
        stage.loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.01)
        return "healthy", "all is well"

    outcome = outcome_of(look_away, monkeypatch)
    assert outcome.verdict == "suffers"
    assert "ZeroDivisionError" in outcome.observed


def test_the_trials_can_be_run_from_inside_a_running_loop() -> None:
    async def main() -> list[_trials.Outcome]:
        return _trials.run_trials(["F8"], new_loop)

    (outcome,) = asyncio.run(main())
    assert outcome.verdict == "healthy"
