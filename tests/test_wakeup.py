"""The wake-up of Linux's selector loop: what kills it, and a new pair of sockets in its place."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from typing import Iterator

import pytest

from tribler_udp_fix._wakeup import renew_wakeup, wakeup_fault
from tribler_udp_fix.testing._wakeup import wakeup_cut, wakeup_end, wakeup_reset

from .watched_loop import QUIET, Watched

if sys.platform == "win32":
    pytest.skip("tests/windows has its own", allow_module_level=True)

INJURIES = [wakeup_reset, wakeup_end, wakeup_cut]


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.loop.close()
    gc.collect()  # a socket that nobody closed is a ResourceWarning, and so an error


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


def test_stock_a_loop_whose_writing_end_died_hears_no_thread_and_reports_nothing(watched):
    async def main():
        with wakeup_cut(watched.loop):
            assert not await watched.hears_thread(patience=0.5)
            assert (await watched.busy())[0] < QUIET
        assert watched.failures == []

    watched.run(main)


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize("injury", INJURIES)
def test_a_renewed_loop_is_quiet_and_hears_threads(watched, injury, debug):
    watched.loop.set_debug(debug)

    async def main():
        with injury(watched.loop):
            assert wakeup_fault(watched.loop) is not None
            await asyncio.sleep(0.05)
            assert wakeup_fault(watched.loop) is not None
            renew_wakeup(watched.loop)
            assert wakeup_fault(watched.loop) is None
            turns, errors = await watched.busy()
            assert turns < QUIET
            assert errors == 0
            assert await watched.hears_thread()
            assert await watched.loop.run_in_executor(None, lambda: "done") == "done"

    watched.run(main)
    assert watched.run(watched.hears_thread)


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
        heard: list[int] = []

        def call_often() -> None:
            for number in range(300):
                watched.loop.call_soon_threadsafe(heard.append, number)

        thread = threading.Thread(target=call_often)
        thread.start()
        while len(heard) < 300:
            assert wakeup_fault(watched.loop) is None
            await asyncio.sleep(0)
        thread.join()
        assert heard == list(range(300))
        assert await watched.hears_thread()

    watched.run(main)


def test_a_reading_end_that_nothing_reads_is_a_fault_and_renewed(watched):
    async def main():
        watched.loop._remove_reader(watched.loop._ssock.fileno())
        assert wakeup_fault(watched.loop) == "nothing reads its reading end"
        renew_wakeup(watched.loop)
        assert await watched.hears_thread()

    watched.run(main)
