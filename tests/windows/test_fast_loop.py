"""A loop whose time runs ahead, with real sockets."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from functools import partial
from typing import Any

import pytest
from udp import closed_address, endpoint, only_on, plain_socket, send, until

from tribler_udp_fix import Settings, Watchdog, testing

pytestmark = only_on("3.8", "3.12", "3.13")


@pytest.fixture(params=["selector", "stock", "repaired"])
def run_fast(request: pytest.FixtureRequest) -> Any:
    """Run an async function on a fast loop of each kind."""
    if request.param == "repaired":
        request.getfixturevalue("repaired")
    kind = "selector" if request.param == "selector" else "proactor"

    def run(main: Any) -> Any:
        assert sys.platform == "win32"
        loop = testing.fast_loop(kind)
        asked = asyncio.SelectorEventLoop if kind == "selector" else asyncio.ProactorEventLoop
        assert isinstance(loop, asked)
        failures: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        try:
            result = loop.run_until_complete(main())
        finally:
            loop.close()
        assert failures == []
        return result

    return run


def heard(protocol: Any, count: int) -> bool:
    return len(protocol.heard) == count


def test_a_day_of_sleep_takes_no_time_and_moves_the_loops_clock_alone(run_fast):
    async def main():
        loop = asyncio.get_running_loop()
        began, wall, monotonic = loop.time(), time.time(), time.monotonic()
        for _ in range(24):
            await asyncio.sleep(3600)
        assert 86_400 <= round(loop.time() - began, 3) < 90_000
        assert isinstance(loop, testing.FastLoop)
        assert 86_000 <= loop.ahead < 90_000
        assert time.time() - wall < 3600
        assert time.monotonic() - monotonic < 3600

    run_fast(main)


def test_timers_run_in_their_order(run_fast):
    async def main():
        loop = asyncio.get_running_loop()
        ran: list[int] = []
        for seconds in (300, 100, 200):
            loop.call_later(seconds, ran.append, seconds)
        await asyncio.sleep(400)
        assert ran == [100, 200, 300]

    run_fast(main)


def test_what_was_sent_arrives_before_the_time_for_it_is_over(run_fast, family):
    async def main():
        protocol = await endpoint(family)
        for number in range(50):
            data = b"%d" % number
            send(protocol.address, data)
            loop = asyncio.get_running_loop()
            deadline = loop.time() + 1
            while protocol.heard[-1:] != [data]:
                assert loop.time() < deadline
                await asyncio.sleep(0.1)
        protocol.transport.close()
        await asyncio.sleep(1)

    run_fast(main)


def test_what_a_transport_sends_arrives_in_time_too(run_fast):
    async def main():
        protocol, peer = await endpoint(), await endpoint()
        for number in range(20):
            protocol.transport.sendto(b"%d" % number, peer.address)
            await until(partial(heard, peer, number + 1), 2)
        protocol.transport.abort()
        peer.transport.abort()
        await asyncio.sleep(1)

    run_fast(main)


def test_a_send_that_nothing_comes_of_holds_time_up_for_a_moment_only(run_fast):
    async def main():
        loop = asyncio.get_running_loop()
        with plain_socket() as sock:
            sock.sendto(b"?", closed_address())
        began = loop.time()
        await asyncio.sleep(3600)
        assert round(loop.time() - began, 3) >= 3600

    began = time.monotonic()
    run_fast(main)
    assert time.monotonic() - began < 1800


def test_time_does_not_run_ahead_of_an_executor(run_fast):
    async def main():
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(None, time.sleep, 0.5)
        await asyncio.wait_for(work, 60)

    run_fast(main)


def test_sockets_are_as_before_when_the_loop_has_stopped(run_fast):
    async def main():
        assert "sendto" in vars(socket.socket)

    run_fast(main)
    assert "sendto" not in vars(socket.socket)
    assert "send" not in vars(socket.socket)


def test_a_quiet_endpoint_is_watched_for_two_hours_and_found_healthy(run_fast):
    from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint

    async def main():
        udp = UDPEndpoint(port=0, ip="127.0.0.1")
        assert await udp.open()
        settings = Settings(tick=2, jitter=0)
        async with Watchdog(udp, settings) as watchdog:
            await asyncio.sleep(7200)
            (status,) = watchdog.status().endpoints
        udp.close()
        await asyncio.sleep(1)
        assert status.probes["answered"] >= 600
        assert status.probes["missed"] + status.rearms + status.rebinds == 0

    run_fast(main)


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="'selector' or 'proactor'"):
        testing.fast_loop("uvloop")
