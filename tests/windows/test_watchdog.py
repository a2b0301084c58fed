"""The watchdog on real IPv8 endpoints: what kills them without it, and that they live with it."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from udp import only_on
from watched import NEVER_QUIET, QUICK, new_endpoint, say, scene

import tribler_udp_fix
from tribler_udp_fix import EventKind, Settings, Watchdog
from tribler_udp_fix._asyncio._datagram import DatagramTransport
from tribler_udp_fix.testing import (
    changed_addresses,
    clock_jump,
    dead_reader,
    lost_completion,
    raising_handler,
    starved_loop,
    wakeup_cut,
    wakeup_end,
    wakeup_reset,
)

pytestmark = only_on("3.8", "3.10", "3.12", "3.13", "3.15")


def test_a_reader_that_cannot_be_revived_is_followed_by_another_socket(run_both, monkeypatch):
    def fails(_transport):
        raise OSError(10038, "not a socket")

    async def main():
        monkeypatch.setattr(DatagramTransport, "rearm", fails)
        async with scene(settings=NEVER_QUIET) as it:
            with lost_completion(it.endpoint, until="rebind"), dead_reader(it.endpoint):
                await it.until(lambda: it.status.rebinds and it.state == "healthy")
                await it.hears()

    run_both(main)


def test_a_dead_reader_is_found_by_its_trace_and_read_again_in_place(run_both):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            sock = it.endpoint._transport.get_extra_info("socket").fileno()
            with dead_reader(it.endpoint):
                say(it.endpoint, b"waits in the socket")
                await it.until(lambda: it.status.rearms)
                await it.hears()
            assert it.ear.heard[0] == b"waits in the socket"
            assert it.states == ["re-arming", "healthy"]
            assert it.endpoint._transport.get_extra_info("socket").fileno() == sock
            assert it.status.rebinds == 0

    run_both(main)


def test_a_dead_reader_of_asyncios_own_transport_is_read_again_in_place_as_well(run_stock):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            with dead_reader(it.endpoint):
                await it.until(lambda: it.status.rearms)
                await it.hears()
            assert it.status.rebinds == 0

    run_stock(main)


@pytest.mark.parametrize("kind", ["ipv4", "ipv6"])
def test_a_lost_completion_is_mended_by_reading_again(run_both, kind):
    async def main():
        async with scene(kind) as it:
            with lost_completion(it.endpoint):
                await it.until(lambda: it.status.rearms)
                await it.hears()
            assert it.states[-4:] == ["quiet", "suspect", "re-arming", "healthy"]
            assert it.status.rebinds == 0

    run_both(main)


def test_without_the_watchdog_both_deaths_last(run_both):
    async def main():
        for injure in (dead_reader, lost_completion):
            endpoint = new_endpoint()
            assert await endpoint.open()
            with injure(endpoint):
                for _ in range(20):
                    say(endpoint, b"anyone there?")
                    await asyncio.sleep(0.05)
                assert endpoint.bytes_down == 0
                assert endpoint.is_open()
                assert not endpoint._transport.is_closing()
            endpoint.close()
            await asyncio.sleep(0.05)

    run_both(main)


def test_a_starved_loop_is_no_dead_endpoint(run_both):
    async def main():
        settings = dataclasses.replace(QUICK, probe_after=0.1, probe_timeout=0.2, probe_misses=1)
        async with scene(settings=settings) as it:
            with starved_loop(seconds=0.4):
                await asyncio.sleep(5)
            assert it.status.rearms == it.status.rebinds == 0
            await it.until(lambda: it.state in ("healthy", "quiet"))
            await it.hears()

    run_both(main)


def test_a_handler_that_raises_is_no_dead_endpoint(run_both):
    async def main():
        async with scene() as it:
            with raising_handler(it.endpoint):
                for _ in range(5):
                    say(it.endpoint, b"raises")
                    await asyncio.sleep(0.5)
            assert it.status.rearms == it.status.rebinds == 0
            await it.hears()

    run_both(main)


@pytest.mark.parametrize("alarm", [lambda: clock_jump(3600), changed_addresses])
def test_sleep_and_resume_or_other_addresses_make_it_probe_at_once(run_both, alarm):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            with alarm():
                await it.until(lambda: it.status.probes["answered"])
            assert it.status.rebinds == it.status.rearms == 0
            assert it.states == ["quiet", "healthy"]

    run_both(main)


def test_after_a_resume_one_missed_probe_is_enough(run_both):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            with lost_completion(it.endpoint, until="rebind"), clock_jump(3600):
                await it.until(lambda: it.status.rebinds and it.state == "healthy")
                assert it.status.probes["missed"] == 2
                await it.hears()

    run_both(main)


def test_what_was_heard_before_a_resume_proves_nothing_of_what_comes_after(run_both):
    async def main():
        async with scene(settings=dataclasses.replace(NEVER_QUIET, tick=1.0)) as it:
            await it.hears(b"since the last look")
            with lost_completion(it.endpoint, until="rebind"), clock_jump(3600):
                await it.until(lambda: it.status.rebinds and it.state == "healthy")

    run_both(main)


def test_an_endpoint_of_an_unknown_class_is_left_alone_and_named(run):
    async def main():
        from ipv8.messaging.interfaces.endpoint import Endpoint

        class Other(Endpoint):  # type: ignore[misc]
            def __init__(self):
                pass

        Other.__abstractmethods__ = frozenset()
        other = Other()
        async with Watchdog(other, QUICK) as watchdog:
            await asyncio.sleep(0.2)
            assert watchdog.status().unwatched == ("Other",)
            assert watchdog.status().endpoints == ()
            with pytest.raises(ValueError, match="is not watched here"):
                watchdog.probe(other)
        assert vars(other) == {}

    run(main)


@pytest.mark.parametrize("what", [None, "UDPEndpoint", 8090, [None]], ids=repr)
def test_what_cannot_be_watched_is_refused(what):
    with pytest.raises(TypeError, match="cannot be watched: possible is a datagram transport"):
        Watchdog(what)


def test_its_status_is_plain_data(run):
    async def main():
        async with scene() as it:
            import json

            await it.watchdog.rebind()
            await it.hears()
            data = json.loads(json.dumps(it.watchdog.status().as_dict()))
            assert data["endpoints"][0]["endpoint"] == "UDPEndpoint"
            assert data["endpoints"][0]["rebinds"] == 1
            assert [event["kind"] for event in data["history"]][:2] == ["state", "rebound"]

    run(main)


def test_what_a_callback_for_events_raises_stops_nothing(run_both):
    async def main():
        async with scene() as it:

            def fails(_event):
                raise RuntimeError("the callback's own fault")

            it.watchdog._telling.callbacks.insert(0, fails)
            await it.watchdog.rebind()
            await it.hears()

    run_both(main)


def test_the_settings_are_by_default_those_of_install(run):
    async def main():
        tribler_udp_fix.install(QUICK)
        async with scene() as it:
            assert Watchdog(it.endpoint)._settings == QUICK

    run(main)
    tribler_udp_fix.install(Settings())


@pytest.mark.parametrize("injure", [wakeup_reset, wakeup_end, wakeup_cut])
def test_a_loop_whose_wake_up_has_died_gets_another(run_both, injure):
    async def main():
        async with scene() as it:
            loop = asyncio.get_running_loop()
            with injure(loop):
                await it.until(lambda: it.watchdog.status().wakeups_renewed)
                (event,) = it.all(EventKind.WAKEUP_RENEWED)
                assert event.cause
                # It sleeps in between, and a thread wakes it.
                start = loop.time()
                assert await loop.run_in_executor(None, lambda: "woken") == "woken"
                assert loop.time() - start < 5
            await it.hears()
            assert it.status.rebinds == it.status.rearms == 0

    run_both(main)
