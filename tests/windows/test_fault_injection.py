"""Endpoints made deaf, with no watchdog about: they show nothing, and hear again at the end."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest
from subjects import SILENCE, armed, each_kind, rearm, subject
from udp import only_on, send, until

from tribler_udp_fix import testing

pytestmark = only_on("3.8", "3.12", "3.13")


@each_kind
@pytest.mark.parametrize("how", ["rearm", "rebind"])
def test_an_endpoint_with_a_lost_completion_is_deaf_and_looks_armed(run_each, kind, family, how):
    async def main():
        made = await subject(kind, family)
        await made.hears(b"before")
        state = made.state()
        with testing.lost_completion(made.target, until=how):
            for data in (b"one", b"two"):
                await made.is_deaf_to(data)
                assert armed(made.transport)
        assert made.state() == state
        await made.hears(b"after")
        lost = run_each.kind == "selector"
        assert made.heard == [b"before", *([] if lost else [b"one", b"two"]), b"after"]
        made.close()

    run_each(main)
    assert run_each.failures == []


@each_kind
def test_an_endpoint_with_a_lost_completion_is_repaired_by_rearming(run_each, kind):
    async def main():
        made = await subject(kind)
        with testing.lost_completion(made.target):
            await made.is_deaf_to(b"lost")
            rearm(made.transport)
            await made.hears(b"one", b"two")
        await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


@each_kind
def test_a_socket_that_only_a_rebind_helps_stays_deaf_when_rearmed(run_each, kind):
    async def main():
        made = await subject(kind)
        with testing.lost_completion(made.target, until="rebind"):
            await made.is_deaf_to(b"lost")
            for _ in range(3):
                rearm(made.transport)
                await made.is_deaf_to(b"lost, too")
                assert armed(made.transport)
        await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_a_completion_is_lost_that_was_on_its_way_when_the_fault_began(run_each):
    async def main():
        made = await subject("plain")
        for number in range(5):
            send(made.address, b"%d" % number)
            time.sleep(0.05)  # it arrives while the loop is busy
            with testing.lost_completion(made.target):
                await asyncio.sleep(SILENCE)
                before = len(made.heard)
                await made.is_deaf_to(b"lost")
                assert len(made.heard) == before
                assert armed(made.transport)
            await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_two_faults_of_one_endpoint_end_in_any_order(run_each):
    async def main():
        made = await subject("plain")
        state = made.state()
        first = testing.lost_completion(made.target, until="rebind")
        second = testing.failing_sends(made.target, 10065)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        await made.hears(b"one")
        made.transport.sendto(b"?", made.address)
        await until(lambda: len(made.errors) == 1)
        second.__exit__(None, None, None)
        assert made.state() == state
        await made.hears(b"two")
        made.close()

    run_each(main)
    assert run_each.failures == []


@each_kind
def test_an_endpoint_whose_reader_died_is_deaf_until_it_is_rearmed(run_each, kind, family):
    async def main():
        made = await subject(kind, family)
        await made.hears(b"before")
        state = made.state()
        with testing.dead_reader(made.target):
            await made.is_deaf_to(b"waits")
            assert not armed(made.transport)
            rearm(made.transport)
            await until(lambda: made.heard == [b"before", b"waits"])
        assert made.state() == state
        await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


@each_kind
def test_an_endpoint_whose_reader_died_hears_again_at_the_end(run_each, kind):
    async def main():
        made = await subject(kind)
        with testing.dead_reader(made.target):
            await made.is_deaf_to(b"waits")
        await until(lambda: made.heard == [b"waits"])
        await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_a_reader_dies_whose_outcome_was_on_its_way(run_each):
    async def main():
        made = await subject("plain")
        for number in range(5):
            send(made.address, b"%d" % number)
            time.sleep(0.05)
            with testing.dead_reader(made.target):
                await asyncio.sleep(SILENCE)
                await made.is_deaf_to(b"waits")
                assert not armed(made.transport)
            await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


@pytest.mark.parametrize("repair", [False, True], ids=["stock", "repaired"])
@pytest.mark.parametrize(
    ("fault", "options", "looks_armed"),
    [
        ("lost_completion", {}, True),
        ("lost_completion", {"until": "rebind"}, True),
        ("dead_reader", {}, False),
    ],
    ids=["lost", "deaf", "dead"],
)
def test_a_fault_begins_behind_the_receive_whose_callback_is_due(
    request, repair, fault, options, looks_armed
):
    run = request.getfixturevalue("run" if repair else "run_stock")

    async def main():
        made = await subject("plain")
        send(made.address, b"due")
        while not made.transport._read_fut.done():
            await asyncio.sleep(0)
        with getattr(testing, fault)(made.target, **options):
            assert made.heard == []
            # A repaired transport's receive only peeks: what is due is still to be read.
            taken = [] if repair and options.get("until") == "rebind" else [b"due"]
            await until(lambda: made.heard == taken)
            await asyncio.sleep(SILENCE)
            await made.is_deaf_to(b"waits")
            assert armed(made.transport) is looks_armed
        await until(lambda: made.heard == [b"due", b"waits"])
        await made.hears(b"after")
        made.close()

    run(main)
    assert run.failures == []


@pytest.mark.parametrize("fault", ["lost_completion", "dead_reader"])
def test_a_fault_ends_with_the_loop_that_it_was_in(run_each, fault):
    injected = contextlib.ExitStack()

    async def main():
        made = await subject("plain")
        injected.enter_context(getattr(testing, fault)(made.target))
        await made.is_deaf_to(b"lost")
        made.close()

    run_each(main)
    injected.close()
    assert run_each.failures == []
