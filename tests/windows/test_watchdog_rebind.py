"""Rebinding real IPv8 endpoints: the same port, the sends in order, the communities at peace."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import time

import pytest
from udp import needs_lab, only_on
from watched import NEVER_QUIET, QUICK, address_of, new_endpoint, say, scene

from tribler_udp_fix import EventKind, Watchdog
from tribler_udp_fix._asyncio import _rebinding
from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._rebinding import Rebinder
from tribler_udp_fix._watchdog import _udp_leaf
from tribler_udp_fix.testing import (
    dead_reader,
    lost_completion,
    taken_port,
)

pytestmark = only_on("3.8", "3.10", "3.12", "3.13")


@pytest.mark.parametrize("kind", ["ipv4", "ipv6", "all ipv4", "all ipv6"])
def test_a_death_that_only_another_socket_ends_is_ended_at_the_same_port(run_both, kind):
    async def main():
        async with scene(kind) as it:
            await it.hears(b"before")
            port, listeners = it.endpoint.get_address()[1], len(it.endpoint._prefix_map)
            with lost_completion(it.endpoint, until="rebind"):
                await it.until(lambda: it.status.rebinds)
                await it.until(lambda: it.state == "healthy")
                await it.hears(b"after")
            assert it.endpoint.get_address()[1] == port == it.endpoint._port
            assert len(it.endpoint._prefix_map) == listeners
            (rebound,) = it.all(EventKind.REBOUND)
            assert (rebound.port, rebound.lost) == (port, 0)
            assert it.states[-5:] == ["quiet", "suspect", "re-arming", "rebinding", "healthy"]

    run_both(main)


def test_a_transport_that_asyncio_gave_up_is_replaced(run_both):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            port = it.endpoint.get_address()[1]
            it.endpoint._transport.abort()
            await it.until(lambda: it.status.rebinds and it.state == "healthy")
            await it.hears()
            assert it.endpoint.get_address()[1] == port
            assert it.events[0].cause == "socket lost"

    run_both(main)


def test_a_port_that_was_taken_is_waited_for_and_the_sends_with_it(run_both):
    async def main():
        settings = dataclasses.replace(QUICK, gap_queue=10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(10)
            async with scene(settings=settings) as it:
                port = it.endpoint.get_address()[1]
                with taken_port(it.endpoint):
                    await it.watchdog.rebind(it.endpoint)
                    await it.until(lambda: it.status.failed_rebinds >= 3)
                    assert it.state in ("backing off", "rebinding")
                    assert it.endpoint.is_open()
                    assert it.endpoint.get_address()[1] == port
                    for number in range(15):
                        it.endpoint.send(peer.getsockname(), b"%d" % number)
                    assert it.status.lost == 5
                await it.until(lambda: it.state == "healthy")
                await it.hears()
                assert it.endpoint.get_address()[1] == port
                await asyncio.sleep(0.2)  # the loop's turn, which peer.recv() does not give it
                newest = range(5, 15)
                assert [peer.recv(99) for _ in newest] == [b"%d" % n for n in newest]
                assert it.status.lost == 5
                (rebound,) = it.all(EventKind.REBOUND)
                assert (rebound.queued, rebound.lost) == (10, 5)

    run_both(main)


def test_what_has_waited_too_long_for_a_socket_is_not_sent_any_more(run_both):
    async def main():
        settings = dataclasses.replace(QUICK, gap_queue_age=0.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(10)
            async with scene(settings=settings) as it:
                with taken_port(it.endpoint):
                    await it.watchdog.rebind()
                    for number in range(3):
                        it.endpoint.send(peer.getsockname(), b"old %d" % number)
                    await asyncio.sleep(0.6)
                    it.endpoint.send(peer.getsockname(), b"new")
                    await it.watchdog.rebind()
                await it.until(lambda: not it.endpoint._transport._buffer)
                it.endpoint.send(peer.getsockname(), b"newest")
                await asyncio.sleep(0.2)
                received = [peer.recv(99)]
                while received[-1] != b"newest":
                    received.append(peer.recv(99))
                assert b"old 0" not in received
                assert it.status.lost in (3, 4)

    run_both(main)


@pytest.mark.parametrize("when", ["at once", "after 2 failures"])
def test_another_port_is_taken_when_the_setting_says_so_and_the_communities_know(run_both, when):
    async def main():
        settings = dataclasses.replace(QUICK, allow_port_change=when)
        async with scene(settings=settings) as it:
            port = it.endpoint.get_address()[1]
            assert it.ear.my_estimated_lan[1] == port
            with taken_port(it.endpoint):
                await it.watchdog.rebind()
                await it.until(lambda: it.state == "healthy")
                assert ("backing off" in it.states) is (when != "at once")
                moved = it.endpoint.get_address()[1]
                assert moved != port
                assert it.ear.my_estimated_lan[1] == moved == it.endpoint._port
                await it.hears()
            (event,) = it.all(EventKind.PORT_CHANGED)
            assert event.port == moved
            assert it.all(EventKind.REBOUND) == []

    run_both(main)


def test_the_endpoints_of_one_loop_are_without_a_socket_one_after_the_other(run_both, monkeypatch):
    async def slowly(rebinder, sock, address):
        deaf.append(sum(not other._transport.has_socket for other in endpoints))
        await asyncio.sleep(0.01)
        await bind(rebinder, sock, address)

    deaf: list[int] = []  # how many have no socket, each time that one gets it
    endpoints = [new_endpoint(kind) for kind in ("ipv4", "ipv6", "ipv4")]
    bind = Rebinder._bind
    monkeypatch.setattr(Rebinder, "_bind", slowly)

    async def main():
        for endpoint in endpoints:
            assert await endpoint.open()
        async with contextlib.AsyncExitStack() as watched:
            watchdogs = [
                await watched.enter_async_context(Watchdog(endpoint, QUICK))
                for endpoint in endpoints
            ]
            await asyncio.gather(*(watchdog.rebind() for watchdog in watchdogs))
            assert deaf == [1, 1, 1]
        for endpoint in endpoints:
            endpoint.close()

    run_both(main)


def test_what_is_sent_during_a_rebind_leaves_in_order_and_nothing_is_lost(run_both):
    async def main():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(10)
            async with scene() as it:
                sent = 0
                for _ in range(5):
                    rebind = asyncio.ensure_future(it.watchdog.rebind())
                    while not rebind.done():
                        it.endpoint.send(peer.getsockname(), b"%d" % sent)
                        sent += 1
                        await asyncio.sleep(0)
                    await rebind
                assert it.status.rebinds == 5
                assert it.endpoint.bytes_up == sum(len(b"%d" % n) for n in range(sent))
                assert it.status.lost == 0
                await asyncio.sleep(0.1)
            assert [peer.recv(99) for _ in range(sent)] == [b"%d" % n for n in range(sent)]

    run_both(main)


def test_what_the_old_socket_had_received_is_heard(run_both):
    async def main():
        async with scene(settings=dataclasses.replace(NEVER_QUIET, tick=10.0)) as it:
            with dead_reader(it.endpoint):
                say(it.endpoint, *(b"%d" % number for number in range(5)))
                await asyncio.sleep(0.1)
                await it.watchdog.rebind()
                await it.hears(b"last")
            assert it.ear.heard == [b"0", b"1", b"2", b"3", b"4", b"last"]

    run_both(main)


def test_what_the_old_socket_had_received_beyond_a_limit_is_counted(run_both, monkeypatch):
    monkeypatch.setattr(_rebinding, "DRAINED", 3)

    async def main():
        async with scene(settings=dataclasses.replace(NEVER_QUIET, tick=10.0)) as it:
            before = COUNTERS.as_dict()["dropped_by_reason"].get(_rebinding.TOO_MANY, 0)
            with dead_reader(it.endpoint):
                say(it.endpoint, *(b"%d" % number for number in range(5)))
                await asyncio.sleep(0.1)
                await it.watchdog.rebind()
                await it.hears(b"last")
            assert it.ear.heard == [b"0", b"1", b"2", b"last"]
            assert COUNTERS.as_dict()["dropped_by_reason"][_rebinding.TOO_MANY] == before + 2

    run_both(main)


@needs_lab
def test_an_error_among_what_the_old_socket_had_received_hides_nothing(run_both):
    async def main():
        async with scene(settings=dataclasses.replace(NEVER_QUIET, tick=10.0)) as it:
            with dead_reader(it.endpoint):
                say(it.endpoint, b"before")
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:  # host unreachable
                    peer.sendto(b"winlab:ntstatus:C000023D", address_of(it.endpoint))
                say(it.endpoint, b"after")
                await asyncio.sleep(0.1)
                await it.watchdog.rebind()
                await it.hears(b"last")
            assert it.ear.heard == [b"before", b"after", b"last"]

    run_both(main)


@pytest.mark.parametrize("turns", [0, 1])
def test_what_a_receive_has_taken_from_the_old_socket_is_heard(run_both, turns):
    async def main():
        async with scene(settings=dataclasses.replace(NEVER_QUIET, tick=10.0)) as it:
            said = [b"%d" % number for number in range(5)]
            say(it.endpoint, *said)
            time.sleep(0.05)  # they arrive while the loop is busy
            rebind = asyncio.ensure_future(it.watchdog.rebind())
            for _ in range(turns):
                await asyncio.sleep(0)
            say(it.endpoint, b"5")
            time.sleep(0.05)
            await rebind
            await it.hears(b"last")
            assert it.ear.heard == [*said, b"5", b"last"]

    run_both(main)


def test_options_and_counters_survive_a_rebind(run_both):
    async def main():
        async with scene() as it:
            sock = it.endpoint._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            size = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            await it.hears()
            down = it.endpoint.bytes_down
            await it.watchdog.rebind()
            sock = it.endpoint._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == size
            assert it.endpoint.bytes_down >= down

    run_both(main)


def test_the_owner_may_close_and_open_it_while_it_has_no_socket(run_both):
    async def main():
        async with scene() as it:
            port = it.endpoint.get_address()[1]
            with taken_port(it.endpoint):
                await it.watchdog.rebind()
                await it.until(lambda: it.status.failed_rebinds)
                it.endpoint.send(("127.0.0.1", 9), b"never leaves")
                it.endpoint.close()
                await it.until(lambda: it.state == "unknown")
            assert not it.endpoint.is_open()
            assert await it.endpoint.open()
            assert it.endpoint.get_address()[1] == port
            await it.until(lambda: it.state == "healthy")
            await it.hears()
            assert it.status.lost == 1

    run_both(main)


def test_no_more_rebinds_than_the_budget_has_and_those_asked_for_have_their_own(run_both):
    async def main():
        settings = dataclasses.replace(QUICK, rebinds_per_hour=2)
        async with scene(settings=settings) as it:
            await it.watchdog.rebind()
            await it.watchdog.rebind()
            with pytest.raises(RuntimeError, match="rebinds_per_hour=2 is used up"):
                await it.watchdog.rebind()
            for rebinds in (3, 4):
                with lost_completion(it.endpoint, until="rebind"):
                    await it.until(lambda n=rebinds: it.status.rebinds == n)
                await it.until(lambda: it.state == "healthy")
            with lost_completion(it.endpoint, until="rebind"):
                await it.until(lambda: it.state == "backing off")
                await asyncio.sleep(2)
                assert it.status.rebinds == 4
            await it.until(lambda: it.state == "healthy")

    run_both(main)


def test_an_old_socket_is_replaced_while_quiet_and_not_while_busy(run_both):
    async def main():
        # Below what users may set, 60 s, so that a test can wait for it.
        settings = dataclasses.replace(QUICK)
        object.__setattr__(settings, "max_socket_age", 1.0)
        async with scene(settings=settings) as it:
            for number in range(20):
                await it.hears(b"%d" % number)
                await asyncio.sleep(0.1)
            assert it.status.rebinds == 0
            await it.until(lambda: it.status.rebinds == 1 and it.state == "healthy")
            assert it.states[0] == "rebinding"
            assert it.events[0].cause == "socket too old"
            await it.hears()

    run_both(main)


def test_a_new_socket_is_as_young_as_it_is(run_both):
    async def main():
        settings = dataclasses.replace(QUICK)
        object.__setattr__(settings, "max_socket_age", 2.0)
        async with scene(settings=settings) as it:
            await it.until(lambda: len(it.all(EventKind.REBOUND)) == 3)
            first, second, third = (event.at for event in it.all(EventKind.REBOUND))
            assert second - first > 1.9
            assert third - second > 1.9

    run_both(main)


def test_a_rebind_that_fails_before_anything_is_closed_leaves_the_endpoint_as_it_is(
    run_both, monkeypatch
):
    def no_socket(*_):
        raise OSError(10055, "no buffer space")

    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            transport = it.endpoint._transport
            with monkeypatch.context() as patch:
                patch.setattr(_udp_leaf, "new_socket", no_socket)
                await it.watchdog.rebind()
                await it.hears()
                await it.until(lambda: it.state == "healthy")
            assert it.status.failed_rebinds == 1
            await asyncio.sleep(2)  # longer than its back-off
            assert it.endpoint._transport is transport
            assert it.status.rebinds == 0

    run_both(main)


def test_a_lost_socket_is_replaced_within_the_budget_however_often_that_fails(
    run_both, monkeypatch
):
    def no_socket(*_):
        raise OSError(10055, "no buffer space")

    async def main():
        settings = dataclasses.replace(NEVER_QUIET, rebinds_per_hour=1)
        async with scene(settings=settings) as it:
            with monkeypatch.context() as patch:
                patch.setattr(_udp_leaf, "new_socket", no_socket)
                it.endpoint._transport.abort()
                await it.until(lambda: it.status.failed_rebinds >= 3)
            await it.until(lambda: it.state == "healthy")
            await it.hears()

    run_both(main)
