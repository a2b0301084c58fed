"""The wake-up of Linux's selector loop: what kills it, and a new pair of sockets in its place."""

from __future__ import annotations

import asyncio
import inspect
import sys
from typing import Iterator

import pytest
from test_wakeup import (  # noqa: F401
    test_a_reading_end_that_nothing_reads_is_a_fault_and_renewed,
    test_a_renewed_loop_is_quiet_and_hears_threads,
    test_stock_a_loop_whose_writing_end_died_hears_no_thread_and_reports_nothing,
)
from watched_loop import INJURIES, QUIET, Watched, watching

from tribler_udp_fix._asyncio._wakeup import wakeup_fault
from tribler_udp_fix.testing._wakeup import wakeup_end, wakeup_reset

if sys.platform == "win32":
    pytest.skip("tests/windows has its own", allow_module_level=True)


@pytest.fixture
def watched() -> Iterator[Watched]:
    with watching(asyncio.SelectorEventLoop(), seconds=0.2) as watched:
        yield watched


def test_stock_a_loop_turns_without_pause_at_the_end_of_its_wakeup(watched):
    async def main():
        with wakeup_end(watched.loop):
            for _ in range(2):
                turns, errors = await watched.busy()
                assert turns > 5 * QUIET
                assert errors == 0

    watched.run(main)


def test_stock_a_loop_whose_wakeup_stays_reset_reports_it_in_every_turn(watched):
    async def main():
        with wakeup_reset(watched.loop):
            for _ in range(2):
                turns, errors = await watched.busy()
                assert errors > 5 * QUIET
                assert turns - errors < QUIET
        assert {type(context["exception"]) for context in watched.failures} == {
            ConnectionResetError
        }

    watched.run(main)


@pytest.mark.parametrize("injury", INJURIES)
def test_an_injury_leaves_a_sound_loop(watched, injury):
    async def main():
        with injury(watched.loop):
            pass
        assert wakeup_fault(watched.loop) is None
        assert await watched.hears_thread()

    watched.run(main)
    with injury(watched.loop):
        assert wakeup_fault(watched.loop) is not None
    assert watched.run(watched.hears_thread)


def test_looking_for_a_fault_costs_no_wakeup(watched):
    async def main():
        await watched.is_looked_at_while_a_thread_calls()
        assert await watched.hears_thread()

    watched.run(main)


def test_looking_again_takes_no_look_at_signatures(watched, monkeypatch):
    looks = []
    signature = inspect.signature

    def look(function):
        looks.append(function)
        return signature(function)

    monkeypatch.setattr(inspect, "signature", look)

    async def main():
        assert wakeup_fault(watched.loop) is None
        looks.clear()
        for _ in range(3):
            assert wakeup_fault(watched.loop) is None
        assert looks == []

    watched.run(main)
