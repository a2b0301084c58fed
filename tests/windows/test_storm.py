"""Good traffic through a storm of ICMP errors."""

from __future__ import annotations

import asyncio
import sys

import pytest
from udp import closed_address, endpoint, plain_socket, until

import tribler_udp_fix

ERRORS, DATAGRAMS = 10_000, 1_000


async def storm(errors, datagrams):
    """Send *datagrams* to an endpoint that meets *errors* meanwhile; returns its protocol."""
    protocol = await endpoint()
    gone = closed_address()
    with plain_socket() as peer:
        for number in range(datagrams):
            for _ in range(errors // datagrams):
                protocol.transport.sendto(b"?", gone)
            peer.sendto(b"%d" % number, protocol.address)
            # No faster than the errors come back: their number is the point, not the rate.
            due = (number - 50) * errors // datagrams
            await until(lambda: len(protocol.errors) >= due, 60)  # noqa: B023
        await until(lambda: len(protocol.errors) == errors, 60)
        await until(lambda: len(protocol.heard) == datagrams, 60)
    protocol.transport.close()
    return protocol


@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="the storm is measured on 3.12")
@pytest.mark.parametrize("fast_path", [True, False], ids=["fast", "one-at-a-time"])
def test_ten_thousand_errors_cost_no_datagram(run, fast_path):
    settings = tribler_udp_fix.Settings(error_budget=1000, fast_path=fast_path)
    tribler_udp_fix.install(settings)
    protocol = run(lambda: storm(ERRORS, DATAGRAMS))
    assert protocol.heard == [b"%d" % number for number in range(DATAGRAMS)]


@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="the storm is measured on 3.12")
def test_without_the_plugin_the_storm_deafens_it(run_stock):
    async def main():
        protocol = await endpoint()
        gone = closed_address()
        with plain_socket() as peer:
            for number in range(20):
                for _ in range(10):
                    protocol.transport.sendto(b"?", gone)
                await asyncio.sleep(0.02)
                peer.sendto(b"%d" % number, protocol.address)
        await asyncio.sleep(0.2)
        protocol.transport.abort()
        return protocol

    assert len(run_stock(main).heard) < 2
