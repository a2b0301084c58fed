"""Faults of the loop, the handlers and the machine, and what no fault can be injected into."""

from __future__ import annotations

import asyncio
import socket
import time
from functools import partial
from typing import Any

import pytest
from subjects import SILENCE, armed, each_kind, raised, subject
from udp import Recorder, only_on, send, until

import tribler_udp_fix
from tribler_udp_fix import testing

pytestmark = only_on("3.8", "3.12", "3.13")


def test_a_starved_loop_is_blocked_again_and_again_until_the_end(run_each):
    async def main():
        loop = asyncio.get_running_loop()
        began, turns = loop.time(), 0
        with testing.starved_loop(0.2):
            while loop.time() - began < 1:
                await asyncio.sleep(0)
                turns += 1
        # Each turn of the loop takes as long as it is blocked; a clock may tick in 16 ms.
        assert 1 <= turns <= 6
        began = loop.time()
        for _ in range(10):
            await asyncio.sleep(0)
        assert loop.time() - began < 0.2 * 10

    run_each(main)


@each_kind
def test_a_handler_raises_on_every_datagram_and_the_endpoint_reads_on(run_each, kind):
    async def main():
        made = await subject(kind)
        state = made.state()
        with testing.raising_handler(made.target) as handler:
            for count in (1, 2, 3):
                send(made.address, b"?")
                await until(partial(raised, handler, count))
            assert armed(made.transport)
        assert made.state() == state
        await made.hears(b"after")
        assert handler.count == 3
        made.close()

    run_each(main)
    exceptions = [failure["exception"] for failure in run_each.failures]
    assert [type(exception) for exception in exceptions] == [RuntimeError] * 3


def test_a_clock_jump_without_a_watchdog_to_see_it_is_an_error(run):
    with pytest.raises(testing.FaultUnavailable, match="no watchdog"), testing.clock_jump(60):
        pass
    with pytest.raises(ValueError, match="2"), testing.clock_jump(1):
        pass


def test_a_running_watchdog_sees_a_clock_jump_once_and_nobody_else_does(run_each):
    async def main():
        made = await subject("ipv8")
        events: list[Any] = []
        settings = tribler_udp_fix.Settings(tick=0.05)
        async with tribler_udp_fix.Watchdog(made.target, settings, events.append):
            before = time.time()
            with testing.clock_jump(3600):
                await until(lambda: any("3600" in event.cause for event in events))
                await asyncio.sleep(SILENCE)
            assert time.time() - before < 1800
            await asyncio.sleep(SILENCE)
        told = [event for event in events if event.kind is tribler_udp_fix.EventKind.RESUMED]
        assert len(told) == 1
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_a_running_watchdog_sees_other_addresses_once(run):
    async def main():
        made = await subject("ipv8")
        events: list[Any] = []
        settings = tribler_udp_fix.Settings(tick=0.05)

        def told() -> list[Any]:
            return [e for e in events if e.kind is tribler_udp_fix.EventKind.ADDRESSES]

        async with tribler_udp_fix.Watchdog(made.target, settings, events.append):
            with testing.changed_addresses(("203.0.113.5", "")):
                await until(told, 30)
            await asyncio.sleep(5)
        assert len(told()) == 1
        assert told()[0].cause.endswith("203.0.113.5, none")
        made.close()

    run(main)
    assert run.failures == []


def test_all_endpoints_behind_a_dispatcher_suffer(run):
    async def main():
        from ipv8.messaging.interfaces.dispatcher.endpoint import DispatcherEndpoint

        made = [await subject("ipv8"), await subject("ipv8", socket.AF_INET6)]
        dispatcher = DispatcherEndpoint([])
        dispatcher.interfaces = {"UDPIPv4": made[0].target, "UDPIPv6": made[1].target}
        with testing.lost_completion(dispatcher):
            for one in made:
                await one.is_deaf_to(b"lost")
        for one in made:
            await one.hears(b"after")
            one.close()

    run(main)
    assert run.failures == []


def test_what_is_no_open_udp_endpoint_is_refused_with_what_is_possible(run):
    async def main():
        made = await subject("ipv8")
        made.close()
        for target in (object(), made.target, made.transport):
            with pytest.raises(testing.FaultUnavailable, match="possible is an open UDPEndpoint"):
                testing.dead_reader(target).__enter__()
        protocol = Recorder()
        with pytest.raises(testing.FaultUnavailable):
            testing.raising_handler(protocol).__enter__()

    run(main)
