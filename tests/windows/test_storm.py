"""Good traffic through a storm of ICMP errors."""

from __future__ import annotations

import asyncio
import sys

import pytest
from udp import closed_address, endpoint, plain_socket, until

ERRORS, DATAGRAMS = 10_000, 1_000


@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="the storm is measured on 3.12")
def test_ten_thousand_errors_cost_no_datagram_and_delay_no_timer(run):
    async def main():
        loop = asyncio.get_running_loop()
        protocol = await endpoint()
        gone = closed_address()
        late = []

        async def tick():
            while True:
                due = loop.time() + 0.01
                await asyncio.sleep(0.01)
                late.append(loop.time() - due)

        ticking = asyncio.ensure_future(tick())
        with plain_socket() as peer:
            for number in range(DATAGRAMS):
                for _ in range(ERRORS // DATAGRAMS):
                    protocol.transport.sendto(b"?", gone)
                peer.sendto(b"%d" % number, protocol.address)
                # No faster than the errors come back: their number is the point, not the rate.
                await until(lambda: len(protocol.errors) >= (number - 50) * 10, 60)  # noqa: B023
            await until(lambda: len(protocol.heard) == DATAGRAMS, 60)
            await until(lambda: len(protocol.errors) == ERRORS, 60)
        ticking.cancel()
        protocol.transport.close()
        return protocol, max(late)

    protocol, latest = run(main)
    assert protocol.heard == [b"%d" % number for number in range(DATAGRAMS)]
    assert latest < 0.05
