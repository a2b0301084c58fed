"""What is told of an endpoint that hears, but whose sends all fail, or that no peer speaks to."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from udp import only_on
from watched import QUICK, new_endpoint, scene

from tribler_udp_fix import EventKind, Watchdog
from tribler_udp_fix.testing import failing_sends

pytestmark = only_on("3.12")

FORBIDDEN = ("255.255.255.255", 9)  # 10013, for no socket of IPv8's may broadcast


def test_that_every_send_fails_is_told_and_that_one_has_left(run_both):
    async def main():
        async with scene() as it:
            it.endpoint.send(FORBIDDEN, b"one alone is nobody's business")
            it.endpoint.send(("127.0.0.1", 9), b"as long as others leave")
            await asyncio.sleep(0.2)
            assert it.endpoint._transport.failing is None
            while not it.all(EventKind.CANNOT_SEND):
                it.endpoint.send(FORBIDDEN, b"nobody is to hear this")
                await asyncio.sleep(0.2)
            (told,) = it.all(EventKind.CANNOT_SEND)
            assert told.cause.startswith("every send fails: ")
            assert told.cause.endswith("let a firewall allow this program")
            assert (it.status.condition, it.status.reason) == ("cannot send", told.cause)
            assert it.status.rebinds == 0  # which another socket would not be spared either
            it.endpoint.send(("127.0.0.1", 9), b"free again")
            await it.until(lambda: it.all(EventKind.SENDS_AGAIN))
            assert (it.status.condition, it.status.reason) == ("", "")

    run_both(main)


@pytest.mark.parametrize("budget", [1, 0])
def test_where_another_socket_may_help_one_is_tried_within_the_budget(run_both, budget):
    async def main():
        settings = dataclasses.replace(QUICK, rebinds_per_hour=budget)
        async with scene(settings=settings) as it:
            port = it.endpoint.get_address()[1]
            with failing_sends(it.endpoint, 10055):
                while not it.all(EventKind.CANNOT_SEND):
                    it.endpoint.send(("127.0.0.1", 9), b"no room in the system")
                    await asyncio.sleep(0.2)
            await it.until(lambda: it.status.rebinds == budget)
            await it.until(lambda: it.state == "healthy")
            assert it.status.condition == "cannot send"  # a new socket proves nothing of sends
            it.endpoint.send(("127.0.0.1", 9), b"room again")
            await it.until(lambda: it.all(EventKind.SENDS_AGAIN))
            assert it.endpoint.get_address()[1] == port

    run_both(main)


def test_of_a_connected_transport_it_is_said_why_nobody_can_tell(run_both):
    async def main():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 9)
        )
        async with Watchdog(transport, QUICK) as watchdog:
            while watchdog.status().endpoints[0].state != "unknown":
                await asyncio.sleep(0.05)
            (told,) = watchdog.status().endpoints
            assert told.condition == "connected"
            assert told.reason.startswith("no probe can be sent: it is connected")
        transport.close()
        await asyncio.sleep(0.05)

    run_both(main)


def test_that_its_program_closed_it_is_said_only_of_what_was_open(run_both):
    async def main():
        async with scene() as it:
            assert it.status.bound
            it.endpoint.close()
            await it.until(lambda: it.state == "unknown")
            assert (it.status.bound, it.status.reason) == (False, "its program has closed it")
        never = new_endpoint()
        async with Watchdog(never, QUICK) as watchdog:
            (told,) = watchdog.status().endpoints
            assert (told.state, told.bound) == ("unknown", False)
            assert told.reason == "it has not been opened"
            assert await never.open()
            while watchdog.status().endpoints[0].state != "healthy":
                await asyncio.sleep(0.05)
            assert watchdog.status().endpoints[0].reason == ""
        never.close()
        await asyncio.sleep(0.05)

    run_both(main)


def test_that_it_hears_itself_but_no_peer_is_told_once_and_until_one_is_heard(run_both):
    async def main():
        settings = dataclasses.replace(QUICK)
        # Below what users may set, so that a test can wait for it.
        object.__setattr__(settings, "no_peer_minutes", 2.0 / 60.0)
        async with scene(settings=settings) as it:
            await it.until(lambda: it.all(EventKind.NO_PEER))
            await it.until(lambda: it.status.last_heard)
            assert it.status.last_heard_from_peer is None
            assert it.status.condition == "no peer"
            assert "no peer" in it.status.reason
            assert "firewalls" in it.status.reason
            await asyncio.sleep(1)
            await it.hears(b"a peer at last")
            await it.until(lambda: it.all(EventKind.PEER_HEARD))
            assert it.status.last_heard_from_peer is not None
            assert it.status.reason == ""
            assert len(it.all(EventKind.NO_PEER)) == 1

    run_both(main)
