"""A rebind has succeeded when a datagram was heard through the new socket, and is told of then."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from unittest import mock

import pytest
from udp import only_on
from watched import NEVER_QUIET, scene

from tribler_udp_fix import EventKind
from tribler_udp_fix.testing import taken_port

pytestmark = only_on("3.8", "3.10", "3.12", "3.13")


def probes(it, send):
    """Have *send* called for each probe of the scene, instead of sending it."""
    return mock.patch.object(it.watchdog._around.sender, "send", send)


def lost(_address, _data):
    """What a network that drops everything does."""


def refused(_address, _data):
    raise PermissionError(10013, "a firewall's answer")


@pytest.mark.parametrize("moved", [False, True], ids=["same port", "another port"])
def test_a_new_socket_is_told_of_when_it_has_heard(run_both, moved):
    async def main():
        settings = dataclasses.replace(
            NEVER_QUIET, allow_port_change="at once" if moved else "never"
        )
        async with scene(settings=settings) as it:
            kind = EventKind.PORT_CHANGED if moved else EventKind.REBOUND
            with contextlib.ExitStack() as faults:
                if moved:
                    faults.enter_context(taken_port(it.endpoint))
                faults.enter_context(probes(it, lost))
                rebind = asyncio.ensure_future(it.watchdog.rebind())
                await it.until(lambda: it.status.rebinds)
                assert it.all(EventKind.REBOUND) == it.all(EventKind.PORT_CHANGED) == []
            await rebind
            await it.until(lambda: it.state == "healthy")
            (told,) = it.all(kind)
            (*_, healthy) = it.all(EventKind.STATE)
            assert it.events.index(told) < it.events.index(healthy)
            assert told.at < healthy.at
            assert told.port == it.endpoint.get_address()[1]
            assert not told.unproved

    run_both(main)


@pytest.mark.parametrize("budget", [1, 2])  # and one that is asked for
def test_a_new_socket_that_hears_nothing_is_a_failed_rebind(run_both, budget):
    async def main():
        # Few and long probes: a busy machine's late loop is no missed probe.
        settings = dataclasses.replace(
            NEVER_QUIET, rebinds_per_hour=budget, probe_timeout=1.0, probe_misses=1
        )
        async with scene(settings=settings) as it:
            with probes(it, lost):
                rebind = asyncio.ensure_future(it.watchdog.rebind())
                await it.until(lambda: it.status.rebinds == it.status.failed_rebinds == budget + 1)
                await it.until(lambda: it.states.count("backing off") > budget + 1)
            await rebind
            failed = it.all(EventKind.REBIND_FAILED)
            assert [event.cause for event in failed] == ["the new socket heard nothing"] * (
                budget + 1
            )
            assert all(event.seconds > 0 for event in failed)
            assert it.all(EventKind.REBOUND) == []
            # The last one hears in the end, since no other may replace it.
            await it.until(lambda: it.state == "healthy")
            (told,) = it.all(EventKind.REBOUND)
            assert told.at == failed[-1].at
            assert it.status.failed_rebinds == budget + 1

    run_both(main)


def test_where_it_cannot_be_proved_a_new_socket_is_told_of_as_it_is(run_both):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            with probes(it, refused):
                await it.watchdog.rebind()
                await it.until(lambda: it.state == "unknown")
            (told,) = it.all(EventKind.REBOUND)
            assert told.unproved
            assert str(told).endswith(", not proved")
            assert it.status.failed_rebinds == 0

    run_both(main)


def test_a_watchdog_that_stops_tells_of_the_new_socket_that_it_did_not_prove(run_both):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            with probes(it, lost):
                rebind = asyncio.ensure_future(it.watchdog.rebind())
                await it.until(lambda: it.status.rebinds)
                await it.watchdog.stop()
                await rebind
            (told,) = it.all(EventKind.REBOUND)
            assert told.unproved
            assert str(told).endswith(", not proved")

    run_both(main)
