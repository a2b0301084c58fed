"""A loop whose own wake-up sockets died, stock and with a new pair, on both kinds of loop."""

from __future__ import annotations

import asyncio
import select
import socket
from typing import Any

import pytest
from udp import IN_LAB, only_on
from watched_loop import INJURIES, QUIET

from tribler_udp_fix._asyncio._wakeup import renew_wakeup, unknown_loop, wakeup_fault
from tribler_udp_fix.testing._wakeup import wakeup_cut, wakeup_end, wakeup_reset

pytestmark = only_on("3.8", "3.12", "3.13", "3.15")


def end_of(end: str, loop: Any) -> Any:
    return {"reading": loop._ssock, "writing": loop._csock}[end]


def test_stock_both_loops_turn_without_pause_at_the_end_of_their_wakeup(watched):
    async def main():
        with wakeup_end(watched.loop):
            first, _ = await watched.busy()
            second, _ = await watched.busy()
            assert min(first, second) > 5 * QUIET
        assert watched.failures == []

    watched.run(main)


def test_stock_a_selector_loop_reports_10054_in_every_turn(selector):
    async def main():
        with wakeup_reset(selector.loop):
            for _ in range(2):
                turns, errors = await selector.busy()
                assert errors > 5 * QUIET
                assert turns - errors < QUIET
        assert {context["exception"].winerror for context in selector.failures} == {10054}

    selector.run(main)


@pytest.mark.skipif(not IN_LAB, reason="Windows may reset the connection instead")
def test_stock_a_selector_loop_reports_for_ever_that_it_may_not_receive(selector):
    async def main():
        selector.loop._ssock.shutdown(socket.SHUT_RD)
        selector.loop.call_soon_threadsafe(lambda: None)
        _, errors = await selector.busy()
        assert errors > 5 * QUIET
        renew_wakeup(selector.loop)
        await asyncio.sleep(0.1)
        assert (await selector.busy())[1] == 0

    selector.run(main)


def test_stock_a_proactor_loop_reports_a_reset_once_and_hears_no_thread_again(proactor):
    async def main():
        with wakeup_reset(proactor.loop):
            assert not await proactor.hears_thread(patience=1)
            assert (await proactor.busy())[0] < QUIET
        (context,) = proactor.failures
        assert "self pipe" in context["message"]
        assert isinstance(context["exception"], OSError)

    proactor.run(main)


def test_stock_a_loop_whose_writing_end_died_hears_no_thread_and_reports_nothing(watched):
    async def main():
        with wakeup_cut(watched.loop):
            assert not await watched.hears_thread(patience=1)
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
            await asyncio.sleep(0.1)
            assert wakeup_fault(watched.loop) is not None
            renew_wakeup(watched.loop)
            assert wakeup_fault(watched.loop) is None
            await asyncio.sleep(0.1)
            assert wakeup_fault(watched.loop) is None
            turns, errors = await watched.busy()
            assert turns < QUIET
            assert errors == 0
            assert await watched.hears_thread()
            assert await watched.loop.run_in_executor(None, lambda: "done") == "done"

    watched.run(main)
    # The next run, too, begins to read and ends.
    assert watched.run(watched.hears_thread)


@pytest.mark.parametrize("injury", INJURIES)
def test_a_fault_is_seen_at_once_and_the_injury_leaves_a_sound_loop(watched, injury):
    async def main():
        with injury(watched.loop):
            assert wakeup_fault(watched.loop) is not None
        assert wakeup_fault(watched.loop) is None
        assert await watched.hears_thread()

    watched.run(main)


def test_a_sound_loop_has_no_fault_and_looking_costs_no_wakeup(watched):
    async def main():
        assert unknown_loop(watched.loop) is None
        await watched.is_looked_at_while_a_thread_calls()
        for _ in range(5):
            assert wakeup_fault(watched.loop) is None
            assert await watched.hears_thread()

    watched.loop._csock.send(b"w")
    select.select([watched.loop._ssock], [], [], 10)
    assert wakeup_fault(watched.loop) is None
    assert watched.loop._ssock.recv(9) == b"w"
    watched.run(main)
    assert wakeup_fault(watched.loop) is None


@pytest.mark.parametrize("end", ["reading", "writing"])
def test_an_end_that_somebody_closed_is_a_fault_and_renewed(watched, end):
    async def main():
        end_of(end, watched.loop).close()
        assert wakeup_fault(watched.loop) is not None
        renew_wakeup(watched.loop)
        assert wakeup_fault(watched.loop) is None
        assert await watched.hears_thread()

    watched.run(main)


def test_a_reading_end_that_nothing_reads_is_a_fault_and_renewed(watched):
    async def main():
        loop = watched.loop
        if hasattr(loop, "_read_from_self"):
            loop._remove_reader(loop._ssock.fileno())
        else:
            loop._self_reading_future.cancel()
        assert wakeup_fault(loop) == "nothing reads its reading end"
        renew_wakeup(loop)
        assert await watched.hears_thread()

    watched.run(main)
