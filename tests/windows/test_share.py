"""What each transport has of a turn of the event loop, and errors beside datagrams: not timed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from udp import Recorder, closed_address, endpoint, only_on, plain_socket, send, until

from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix._asyncio._turns import SHARE

pytestmark = only_on("3.8", "3.12")

ENDPOINTS, WAITING, WORK = 20, 30, 0.0002


def test_flooded_endpoints_have_one_share_of_a_turn_together_and_all_get_their_turn(run):
    async def main():
        loop: Any = asyncio.get_running_loop()
        turn, heard = 0, []

        class Slow(Recorder):
            def datagram_received(self, data, addr):
                time.sleep(WORK)  # which takes 1 ms and more on Windows
                heard.append((turn, self))

        def next_turn():
            nonlocal turn
            turn += 1
            if len(heard) < ENDPOINTS * WAITING:
                loop.call_soon(next_turn)

        endpoints = [await endpoint(protocol=Slow) for _ in range(ENDPOINTS)]
        await asyncio.sleep(0.05)
        for each in endpoints:
            send(each.address, *(b"x" for _ in range(WAITING)))
        loop.call_soon(next_turn)
        await until(lambda: len(heard) == ENDPOINTS * WAITING, 30)
        for each in endpoints:
            each.transport.close()
        turns = [sum(1 for number, _ in heard if number == each) for each in range(turn + 1)]
        order = [each for _, each in heard]
        return max(turns), endpoints, order

    most, endpoints, order = run(main)
    # The last of a turn may begin just before the share is over.
    assert most <= SHARE / WORK + 1
    # Nobody has had two shares before everybody has had one.
    assert set(order[: int(ENDPOINTS * (SHARE / WORK + 1))]) == set(endpoints)


def test_no_datagram_is_lost_or_rebinds_anything_beside_errors(run):
    async def main():
        protocol = await endpoint()
        gone = closed_address()
        async with Watchdog(
            protocol.transport, Settings(probe_after=0.1, probe_timeout=1, tick=0.05)
        ) as watchdog:
            with plain_socket() as peer:
                for number in range(40):
                    for _ in range(100):
                        protocol.transport.sendto(b"?", gone)
                    peer.sendto(b"%d" % number, protocol.address)
                    await asyncio.sleep(0.05)
            await until(lambda: len(protocol.heard) == 40)
            (found,) = watchdog.status().endpoints
        protocol.transport.close()
        return protocol, found

    protocol, found = run(main)
    assert protocol.heard == [b"%d" % number for number in range(40)]
    assert found.rebinds == 0
    assert len(protocol.errors) >= 3900  # the last may still be on their way
