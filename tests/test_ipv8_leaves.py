"""The endpoints that own a socket are found behind those that pass on; others are only named."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from ipv8.messaging.anonymization.endpoint import TunnelEndpoint
from ipv8.messaging.interfaces.dispatcher.endpoint import DispatcherEndpoint
from ipv8.messaging.interfaces.statistics_endpoint import StatisticsEndpoint
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint
from ipv8.test.mocking.endpoint import AutoMockEndpoint

from tribler_udp_fix._ipv8._leaves import leaves


def test_a_udp_endpoint_is_its_own_leaf():
    for endpoint in (UDPEndpoint(), UDPv6Endpoint()):
        assert leaves(endpoint) == ((endpoint,), (), ())


def test_both_leaves_of_a_dispatcher_are_found_behind_statistics_and_a_tunnel():
    dispatcher = DispatcherEndpoint(["UDPIPv4", "UDPIPv6"])
    found = leaves(TunnelEndpoint(StatisticsEndpoint(dispatcher)))
    assert [type(leaf) for leaf in found.udp] == [UDPEndpoint, UDPv6Endpoint]
    assert found == (tuple(dispatcher.interfaces.values()), (), ())


def test_the_rust_endpoint_is_found_beside_a_udp_one():
    import asyncio

    from ipv8_rust_tunnels import Endpoint

    async def main() -> None:
        dispatcher = DispatcherEndpoint(["UDPIPv6"])
        rust = dispatcher.interfaces["UDPIPv4"] = Endpoint(0, "127.0.0.1")
        (udp, _) = dispatcher.interfaces.values()
        assert leaves(StatisticsEndpoint(dispatcher)) == ((udp,), (rust,), ())
        await rust.shutdown_task_manager()

    asyncio.run(main())


def test_a_leaf_that_is_there_twice_is_found_once():
    dispatcher = DispatcherEndpoint(["UDPIPv4"])
    leaf = dispatcher.interfaces["again"] = dispatcher.interfaces["UDPIPv4"]
    assert leaves(dispatcher) == ((leaf,), (), ())


def test_endpoints_that_lead_back_to_themselves_do_not_hang():
    dispatcher = DispatcherEndpoint(["UDPIPv4"])
    (leaf,) = dispatcher.interfaces.values()
    dispatcher.interfaces["loop"] = TunnelEndpoint(StatisticsEndpoint(dispatcher))
    assert leaves(dispatcher) == ((leaf,), (), ())
    tunnel = TunnelEndpoint(UDPEndpoint())
    tunnel.endpoint = tunnel
    assert leaves(tunnel) == ((), (), ())


def test_other_classes_are_left_alone_and_named_once():
    dispatcher = DispatcherEndpoint(["UDPIPv4"])
    (leaf,) = dispatcher.interfaces.values()
    dispatcher.interfaces.update(a=AutoMockEndpoint(), b=AutoMockEndpoint(), c=object(), d=None)
    assert leaves(dispatcher) == ((leaf,), (), ("AutoMockEndpoint", "object", "NoneType"))


class Unchanged(UDPEndpoint):  # type: ignore[misc]
    extra = 1


class Adding(UDPv6Endpoint):  # type: ignore[misc]
    """Does its own and calls what it overrides."""

    async def open(self):
        return await super().open()

    def send(self, socket_address, packet):
        super().send(socket_address, packet)

    def datagram_received(self, datagram, addr):
        UDPv6Endpoint.datagram_received(self, datagram, addr)


class Silent(UDPEndpoint):  # type: ignore[misc]
    def send(self, socket_address, packet):
        pass


class Blocking(UDPEndpoint):  # type: ignore[misc]
    def open(self):
        return super().open()


class Wider(UDPEndpoint):  # type: ignore[misc]
    def close(self, force=False):
        super().close()


class HeirOfWider(Wider):
    pass


@pytest.mark.parametrize("cls", [Unchanged, Adding])
def test_a_subclass_that_adds_to_what_it_overrides_is_a_leaf(cls):
    endpoint = cls()
    assert leaves(endpoint) == ((endpoint,), (), ())


@pytest.mark.parametrize("cls", [Silent, Blocking, Wider, HeirOfWider])
def test_a_subclass_that_overrides_in_a_way_unknown_is_left_alone_and_named(cls):
    assert leaves(cls()) == ((), (), (cls.__name__,))


def test_what_is_not_imported_stays_so():
    code = """
import sys
from tribler_udp_fix._ipv8._leaves import leaves
print(leaves(object()), [name for name in sys.modules if name.startswith("ipv8")])
"""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"Leaves(udp=(), rust=(), unknown=('object',)) []\n"
