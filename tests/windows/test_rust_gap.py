"""What communities and the owner of a Rust endpoint meet while it has no socket."""

from __future__ import annotations

import asyncio
import struct

import pytest
from rust import (
    HOST,
    PREFIX,
    TUNNEL_PREFIX,
    CellPayload,
    Heard,
    circuit,
    hears,
    hop,
    in_gap,
    leaf_of,
    needs_rust,
    plain_socket,
    received,
    run,
    rust_endpoint,
    set_up_tunnels,
)

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._rebound import EndpointGone
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._rust_leaf import RustLeaf

pytestmark = needs_rust

CIRCUIT = 11


def test_sends_in_the_gap_arrive_in_order_and_what_does_not_fit_is_counted():
    async def main():
        async with rust_endpoint() as endpoint:
            set_up_tunnels(endpoint)
            with leaf_of(endpoint, gap_queue=100) as leaf, plain_socket() as peer:
                dropped = COUNTERS.as_dict()["datagrams_dropped"]
                async with in_gap(leaf):
                    assert endpoint.is_open()
                    for number in range(105):
                        endpoint.send(peer.getsockname(), b"%d" % number)
                    assert leaf.lost == 5
                done = await leaf.rebind()
                assert (done.queued, done.lost, done.moved) == (100, 5, False)
                assert leaf.lost == 5
                assert COUNTERS.as_dict()["datagrams_dropped"] == dropped + 5
                endpoint.send(peer.getsockname(), b"105")
                heard = [(await received(peer))[0] for _ in range(101)]
                assert heard == [b"%d" % number for number in range(5, 106)]

    run(main)


def test_what_has_waited_too_long_for_a_socket_is_not_sent_any_more():
    async def main():
        async with rust_endpoint() as endpoint:
            with leaf_of(endpoint, gap_queue_age=1.0) as leaf, plain_socket() as peer:
                async with in_gap(leaf):
                    for number in range(3):
                        endpoint.send(peer.getsockname(), b"old %d" % number)
                    await asyncio.sleep(1.1)
                    endpoint.send(peer.getsockname(), b"new")
                done = await leaf.rebind()
                assert (done.queued, done.lost, leaf.lost) == (1, 3, 3)
                assert (await received(peer))[0] == b"new"

    run(main)


def test_what_is_sent_during_a_rebind_and_right_after_it_arrives_in_order():
    async def main():
        async with rust_endpoint() as endpoint:
            with leaf_of(endpoint) as leaf, plain_socket() as peer:
                for _ in range(40):  # in a tenth of them a new socket is too young to send at once
                    rebinding = asyncio.ensure_future(leaf.rebind())
                    await asyncio.sleep(0)
                    for number in range(20):
                        endpoint.send(peer.getsockname(), b"%d" % number)
                    assert (await rebinding).queued == 20
                    endpoint.send(peer.getsockname(), b"20")
                    heard = [(await received(peer))[0] for _ in range(21)]
                    assert heard == [b"%d" % number for number in range(21)]

    run(main)


def test_in_the_gap_circuits_come_and_go_as_ever():
    async def main():
        async with rust_endpoint() as endpoint:
            set_up_tunnels(endpoint)
            endpoint.circuits[1] = circuit(1)
            with leaf_of(endpoint) as leaf:
                async with in_gap(leaf):
                    endpoint.circuits[2] = circuit(2, hop((HOST, 9), b"a"))
                    assert endpoint.circuits[2].dirty is False
                    del endpoint.circuits[1]
                    endpoint.update_stats()
                    assert endpoint.get_peers_for_circuit(2) == []
                    assert endpoint.get_statistics(PREFIX) == {}
                    endpoint.apply_settings()
                    listener = Heard(endpoint)
                    endpoint.add_prefix_listener(listener, PREFIX)
                await leaf.rebind()
                endpoint.circuits[2].bytes_up = 7
                endpoint.update_stats()
                assert endpoint.circuits[2].bytes_up == 0  # by Rust's count: it has the circuit
                await hears(endpoint, listener, b"a prefix of the gap")

    run(main)


def test_cells_that_were_sent_in_the_gap_leave_encrypted():
    async def main():
        async with rust_endpoint() as endpoint:
            set_up_tunnels(endpoint)
            with leaf_of(endpoint) as leaf, plain_socket() as peer:
                async with in_gap(leaf):
                    endpoint.circuits[CIRCUIT] = circuit(CIRCUIT, hop(peer.getsockname(), b"a"))
                    endpoint.send_cell(peer.getsockname(), CellPayload(CIRCUIT, b"\x06ping"))
                done = await leaf.rebind()
                assert done.queued == 1
                cell, _ = await received(peer)
                assert cell[:27] == TUNNEL_PREFIX + b"\x00" + struct.pack("!I", CIRCUIT)
                assert b"ping" not in cell

    run(main)


def test_its_owner_closes_it_in_the_gap_and_may_open_it_again():
    async def main():
        async with rust_endpoint() as endpoint:
            listener = Heard(endpoint)
            endpoint.add_prefix_listener(listener, PREFIX)
            with leaf_of(endpoint) as leaf, plain_socket() as peer:
                async with in_gap(leaf):
                    endpoint.send(peer.getsockname(), b"too late")
                    trying = asyncio.ensure_future(leaf.rebind())
                    await asyncio.sleep(0.05)
                    await endpoint.close()
                    assert not endpoint.is_open()
                with pytest.raises(EndpointGone):
                    await trying
                with pytest.raises(EndpointGone):
                    await leaf.rebind()
                assert await endpoint.open()
                endpoint.add_prefix_listener(Heard(endpoint), PREFIX[:-1] + b"2")
                await hears(endpoint, listener, b"anew")

    run(main)


def test_one_that_is_abandoned_without_a_socket_is_closed():
    async def main():
        async with rust_endpoint() as endpoint:
            before = set(vars(endpoint))
            leaf = RustLeaf(endpoint, Settings(rebind_rust=True))
            leaf.address()
            assert set(vars(endpoint)) > before
            async with in_gap(leaf):
                leaf.detach()
                assert not endpoint.is_open()
                assert set(vars(endpoint)) == before

    run(main)
