"""A repaired UDPEndpoint on the Proactor, in this process: its errors, and all of it put back."""

from __future__ import annotations

import asyncio

import pytest
from ipv8_expected import HAS_IPV8
from udp import LOOPBACK, closed_address, until

import tribler_udp_fix
from tribler_udp_fix._ipv8._error_counts import errors_of

if not HAS_IPV8:
    pytest.skip("pyipv8 does not support this Python", allow_module_level=True)

from ipv8.messaging.interfaces.endpoint import Endpoint
from ipv8.messaging.interfaces.statistics_endpoint import StatisticsEndpoint
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint

CLASSES = [asyncio.DatagramProtocol, Endpoint, StatisticsEndpoint, UDPEndpoint, UDPv6Endpoint]


def vars_by_identity():
    return [{name: id(value) for name, value in vars(cls).items()} for cls in CLASSES]


def test_after_uninstall_every_class_is_what_it_was():
    before = vars_by_identity()
    for _ in range(3):
        tribler_udp_fix.install()
        assert vars_by_identity() != before
        tribler_udp_fix.uninstall()
        assert vars_by_identity() == before


def test_the_errors_of_departed_peers_are_counted_for_the_endpoint(run, family):
    async def main():
        cls = {2: UDPEndpoint}.get(family, UDPv6Endpoint)
        endpoint, other = cls(0, LOOPBACK[family]), cls(0, LOOPBACK[family])
        assert await endpoint.open()
        assert await other.open()
        for _ in range(5):
            endpoint.send(closed_address(family)[:2], b"anybody there?")
        await until(lambda: errors_of(endpoint) == {10054: 5})
        assert errors_of(other) == {}
        endpoint.close()
        other.close()

    run(main)
    assert run.failures == []
