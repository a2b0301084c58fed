"""What the old socket of a rebind has received, and a rebind at the worst moment."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from like_asyncio import each_datagram_finds_the_next_future
from next_sockets import one_whose_adapter_is_not_there_when_it_is_made
from udp import LOOPBACK, endpoint, hears, only_on, plain_socket, until
from watched import NEVER_QUIET

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix._asyncio import _rebinding

pytestmark = only_on("3.8", "3.12", "3.13", "3.14", "3.15")


@pytest.fixture
def run_repaired(run_both):
    """Run on either loop as the plugin repairs it."""
    tribler_udp_fix.install()
    yield run_both
    tribler_udp_fix.install(Settings())
    tribler_udp_fix.uninstall()


def test_nothing_waits_for_what_is_read_from_the_old_socket(run, monkeypatch):
    """In the lab one read in some thousands finds nothing where a receive that peeks is posted."""
    rest = _rebinding._rest
    waiting: list[bool] = []

    async def main():
        server = await endpoint()

        def seen(sock: Any) -> Any:
            waiting.append(server.transport._is_waiting())
            return rest(sock)

        monkeypatch.setattr(_rebinding, "_rest", seen)
        async with Watchdog(server.transport, NEVER_QUIET) as watchdog:
            await hears(server, b"it waits")
            assert server.transport._is_waiting()
            with plain_socket() as peer:
                peer.sendto(b"just now", server.address)
            await watchdog.rebind()
            await until(lambda: server.heard[1:] == [b"just now"])
        server.transport.close()

    run(main)
    assert waiting == [False]


def test_what_came_to_a_socket_with_a_time_out_is_heard_after_a_rebind(run):
    def unbound() -> socket.socket:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def main():
        own = unbound()
        own.bind((LOOPBACK[socket.AF_INET], 0))
        server = await endpoint(local_addr=None, sock=own)
        async with Watchdog(server.transport, NEVER_QUIET, make_socket=unbound) as watchdog:
            await hears(server, b"first")
            own.settimeout(2)
            with plain_socket() as peer:
                for number in range(10):
                    peer.sendto(b"%d" % number, server.address)
                await watchdog.rebind()
                await until(lambda: len(server.heard) == 11)
        assert server.heard[1:] == [b"%d" % number for number in range(10)]
        server.transport.close()

    run(main)


def test_whoever_waits_for_the_loop_has_its_turn_before_the_next_of_it(run):
    each_datagram_finds_the_next_future(run, rebinds=True)


def test_it_is_read_for_no_longer_than_others_may_wait():
    class Flooded:
        def gettimeout(self) -> float:
            return 0.0

        def recvfrom(self, _room: int) -> Any:
            time.sleep(0.001)
            return b"", None

    begun = time.perf_counter()
    read = sum(1 for _ in _rebinding._rest(Flooded()))
    assert 0 < read < _rebinding.COUNTED
    assert time.perf_counter() - begun < 10 * _rebinding.DRAINING


def test_one_whose_adapter_is_not_there_when_it_is_made_ends_no_loop(run_repaired):
    run_repaired(one_whose_adapter_is_not_there_when_it_is_made)


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="since Python 3.12")
def test_a_rebind_that_fails_at_once_is_not_the_last_one(run_both):
    def unbound() -> socket.socket:
        if not made:
            made.append(None)
            raise OSError("not now")
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    made: list[Any] = []

    async def main():
        loop: Any = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        server = await endpoint()
        async with Watchdog(server.transport, NEVER_QUIET, make_socket=unbound) as watchdog:
            await watchdog.rebind()
            assert watchdog.status().endpoints[0].rebinds == 0
            await asyncio.wait_for(watchdog.rebind(), 20)
            assert watchdog.status().endpoints[0].rebinds == 1
        server.transport.close()

    run_both(main)
