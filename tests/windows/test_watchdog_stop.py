"""What is left of a watchdog that stops, and of one of two."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import socket
import sys
import weakref

import pytest
from udp import only_on
from watched import NEVER_QUIET, QUICK, new_endpoint, scene

import tribler_udp_fix
from tribler_udp_fix import EventKind, Watchdog
from tribler_udp_fix._asyncio._one_at_a_time import one_at_a_time
from tribler_udp_fix.testing import taken_port

pytestmark = only_on("3.8", "3.10", "3.12", "3.13")


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_stop_during_a_rebind_leaves_nothing_behind(run_both, cancelled):
    async def main():
        endpoint = new_endpoint()
        assert await endpoint.open()
        before, prefixes = set(vars(endpoint)), len(endpoint._prefix_map)
        watchdog = Watchdog(endpoint, QUICK)
        watchdog.start()
        async with one_at_a_time(endpoint._transport):
            rebind = asyncio.ensure_future(watchdog.rebind())
            await asyncio.sleep(0.05)
            stop = asyncio.ensure_future(watchdog.stop())
            await asyncio.sleep(0.05)
            if cancelled:
                stop.cancel()
                await asyncio.wait([stop])
        await asyncio.wait([stop])
        assert stop.cancelled() is cancelled
        assert set(vars(endpoint)) == before
        assert len(endpoint._prefix_map) == prefixes
        assert watchdog._around is not None
        assert watchdog._around._members == []
        await asyncio.wait_for(rebind, 5)
        assert watchdog.status().endpoints[0].rebinds == (0 if cancelled else 1)
        endpoint.close()
        await asyncio.sleep(0.05)

    run_both(main)


def test_who_waits_for_a_rebind_does_not_wait_for_ever_when_it_stops(run_both):
    async def main():
        async with scene() as it:
            assert it.watchdog._around is not None
            it.watchdog._around.sender.send = lambda *_: None  # type: ignore[method-assign]
            rebind = asyncio.ensure_future(it.watchdog.rebind())
            await it.until(lambda: it.status.rebinds)
            assert it.state == "rebinding"
            await it.watchdog.stop()
            await asyncio.wait_for(rebind, 5)

    run_both(main)


def test_an_endpoint_that_cannot_be_left_as_it_was_does_not_keep_the_watchdog(run_both):
    async def main():
        async with scene() as it:

            def fails(_listener):
                raise RuntimeError("an endpoint of another make")

            it.endpoint.remove_listener = fails
            await it.watchdog.stop()
            assert it.watchdog._around is not None
            assert it.watchdog._around._members == []
            assert "connection_lost" not in vars(it.endpoint)

    run_both(main)


def test_of_two_watchdogs_one_may_end_the_gap_that_the_other_began(run_both):
    async def main():
        async with scene() as it:
            sock = it.endpoint._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            async with Watchdog(it.endpoint, NEVER_QUIET) as other:
                with taken_port(it.endpoint):
                    await other.rebind()
                await it.watchdog.rebind()
                (rebound,) = it.all(EventKind.REBOUND)
                assert 0 < rebound.seconds < 10
                sock = it.endpoint._transport.get_extra_info("socket")
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)

    run_both(main)


def test_when_one_of_two_watchdogs_stops_the_other_is_told_of_a_lost_socket_still(run_both):
    async def main():
        async with scene(settings=dataclasses.replace(NEVER_QUIET, tick=10.0)) as it:
            async with Watchdog(it.endpoint, NEVER_QUIET):
                pass
            it.endpoint._transport.abort()
            await it.until(lambda: it.status.rebinds, seconds=5)
            await it.hears()

    run_both(main)


def test_when_it_stops_in_a_gap_the_endpoint_stays_open_and_gets_its_port_back(run_both):
    async def main():
        endpoint = new_endpoint()
        assert await endpoint.open()
        transport = endpoint._transport
        with taken_port(endpoint):
            async with Watchdog(endpoint, QUICK) as watchdog:
                await watchdog.rebind()
            assert endpoint.is_open()
            endpoint.send(("127.0.0.1", 9), b"no exception")
        while not transport.has_socket:
            await asyncio.sleep(0.05)
        assert endpoint._transport is transport
        assert transport.keepers == ()
        endpoint.close()
        await asyncio.sleep(0.05)

    run_both(main)


def test_it_leaves_no_trace_in_an_endpoint(run_both):
    async def main():
        endpoint = new_endpoint()
        assert await endpoint.open()
        before = {name: value for name, value in vars(endpoint).items() if name != "bytes_down"}
        prefixes, listeners = dict(endpoint._prefix_map), list(endpoint._listeners)
        async with Watchdog(endpoint, QUICK) as watchdog:
            while watchdog.status().endpoints[0].probes["answered"] < 2:
                await asyncio.sleep(0.05)
        after = {name: value for name, value in vars(endpoint).items() if name != "bytes_down"}
        assert {**before, "_prefix_map": prefixes, "_listeners": listeners} == after
        endpoint.close()
        await asyncio.sleep(0.05)

    run_both(main)


@pytest.mark.parametrize("kind", ["selector", "proactor"])
def test_one_whose_loop_was_closed_under_it_is_forgotten(kind):
    async def main():
        endpoint = new_endpoint()
        assert await endpoint.open()
        watchdog = Watchdog(endpoint, QUICK)
        watchdog.start()
        while not watchdog.status().endpoints[0].probes["answered"]:
            await asyncio.sleep(0.05)
        endpoint.close()
        await asyncio.sleep(0.05)
        return endpoint

    assert sys.platform == "win32"
    kinds = {"selector": asyncio.SelectorEventLoop, "proactor": asyncio.ProactorEventLoop}
    loop = kinds[kind]()
    endpoint = loop.run_until_complete(main())
    loop.close()
    assert tribler_udp_fix.status().watchdogs == ()
    assert "connection_lost" not in vars(endpoint)
    assert endpoint._prefix_map == {}
    kept = weakref.ref(loop)
    del loop, endpoint
    gc.collect()
    assert kept() is None
