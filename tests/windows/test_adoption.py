"""Transports of asyncio's own, made without ``install()``, that a watchdog makes ones of ours."""

from __future__ import annotations

import asyncio
import time

import pytest
from udp import Recorder, endpoint, hears, only_on, send, until
from watched import NEVER_QUIET, QUICK

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix.testing import lost_completion

pytestmark = only_on("3.8", "3.12", "3.13", "3.14", "3.15", "3.16")


def test_one_that_asyncio_made_before_is_adopted_and_its_socket_is_left_to_it(run_each):
    async def main():
        server = await endpoint()
        kind = type(server.transport).__name__
        tribler_udp_fix.install(QUICK)
        try:
            async with Watchdog(server.transport, QUICK) as watchdog:
                with lost_completion(server.transport):
                    await until(lambda: watchdog.status().endpoints[0].rearms)
                await hears(server, b"anyone there?")
                if kind.startswith("_"):
                    with pytest.raises(RuntimeError, match="not known who made its socket"):
                        await watchdog.rebind()
            assert server.heard == [b"anyone there?"]
        finally:
            server.transport.close()

    run_each(main)
    tribler_udp_fix.install(Settings())
    tribler_udp_fix.uninstall()


def test_one_that_asyncio_is_about_to_call_is_adopted_and_loses_nothing(run_each):
    async def main():
        server = await endpoint()
        try:
            send(server.address, b"1", b"2", b"3")
            time.sleep(0.05)
            await asyncio.sleep(0)  # the first has come, and the protocol is called next
            server.transport.sendto(b"4", server.address)
            server.transport.sendto(b"5", server.address)
            async with Watchdog(server.transport, NEVER_QUIET):
                await until(lambda: len(server.heard) == 5)
                await hears(server, b"6")
            assert server.heard == [b"%d" % number for number in range(1, 7)]
            assert (server.lost, server.errors) == ([], [])
        finally:
            server.transport.close()
            await asyncio.sleep(0.05)

    run_each(main)
    assert run_each.failures == []


def test_one_that_is_watched_by_whoever_it_is_made_for_sends_what_it_was_handed(run_each):
    async def main():
        server = await endpoint()

        class Client(Recorder):
            def connection_made(self, transport):
                super().connection_made(transport)
                transport.sendto(b"1", server.address)
                transport.sendto(b"2", server.address)
                self.watchdog = Watchdog(transport, NEVER_QUIET)
                self.watchdog.start()
                transport.sendto(b"3", server.address)

        client = await endpoint(protocol=Client)
        await until(lambda: len(server.heard) == 3)
        await hears(client, b"anyone there?")
        assert (server.heard, client.lost) == ([b"1", b"2", b"3"], [])
        await client.watchdog.stop()
        for each in (server, client):
            each.transport.close()
        await asyncio.sleep(0.05)

    run_each(main)
    assert run_each.failures == []
