"""The watchdog on endpoints of ipv8-rust-tunnels, and what their communities meet in a gap."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rust import (
    HOST,
    PREFIX,
    Heard,
    hears,
    leaf_of,
    needs_rust,
    open_handles,
    plain_socket,
    received,
    run,
    rust_endpoint,
    taken_from,
    until,
)

from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._events import Event, EventKind
from tribler_udp_fix._watchdog._rust_leaf import RustLeaf
from tribler_udp_fix._watchdog._watchdog import Watchdog
from tribler_udp_fix.testing._rust import deaf_rust_endpoint

pytestmark = needs_rust

QUICK: dict[str, Any] = {"probe_after": 0.5, "probe_timeout": 0.2, "tick": 0.05, "jitter": 0}
REPORTING = Settings(**QUICK)
REBINDING = Settings(**QUICK, rebind_rust=True)


def state(dog):
    (endpoint,) = dog.status().endpoints
    return endpoint.state


def test_its_probes_are_answered():
    async def main():
        async with rust_endpoint() as endpoint, Watchdog(endpoint, REPORTING) as dog:
            await until(lambda: dog.status().endpoints[0].probes["answered"] >= 2)
            (status,) = dog.status().endpoints
            assert status.address == endpoint.get_address()
            assert status.probes["missed"] == status.probes["forged"] == 0

    run(main)


def test_a_deaf_one_is_reported_and_left_alone():
    async def main():
        async with rust_endpoint() as endpoint, Watchdog(endpoint, REPORTING) as dog:
            listener = Heard(endpoint)
            endpoint.add_prefix_listener(listener, PREFIX)
            rust_object = endpoint.rust_ep
            with deaf_rust_endpoint(endpoint):
                await until(lambda: state(dog) == "backing off")
                assert endpoint.is_open()
                with pytest.raises(RuntimeError, match="rebind_rust is off"):
                    await dog.rebind()
            await until(lambda: state(dog) == "healthy")
            assert endpoint.rust_ep is rust_object
            await hears(endpoint, listener, b"again")

    run(main)


@pytest.mark.parametrize("closed", [False, True], ids=["deaf", "closed under it"])
def test_with_the_setting_it_hears_again_at_the_same_port(closed):
    async def main():
        events: list[Event] = []
        async with rust_endpoint() as endpoint:
            listener = Heard(endpoint)
            endpoint.add_prefix_listener(listener, PREFIX)
            await hears(endpoint, listener, b"before")
            address, heard = endpoint.get_address(), endpoint.bytes_down
            async with Watchdog(endpoint, REBINDING, events.append) as dog:
                with deaf_rust_endpoint(endpoint):
                    if closed:
                        endpoint.rust_ep.close(0)
                    await until(lambda: any(e.kind is EventKind.REBOUND for e in events))
                await until(lambda: state(dog) == "healthy")
                assert endpoint.get_address() == address
                assert endpoint.bytes_down >= heard
                await hears(endpoint, listener, b"after")
                with plain_socket() as peer:
                    endpoint.send(peer.getsockname(), b"hello")
                    assert await received(peer) == (b"hello", address)

    run(main)


def test_one_that_was_closed_under_its_owner_is_gone_and_one_that_its_owner_closed_is_not():
    async def main():
        async with rust_endpoint() as endpoint:
            leaf = RustLeaf(endpoint, REPORTING)
            assert leaf.is_open()
            assert not leaf.is_gone()
            assert not leaf.rearm()
            endpoint.rust_ep.close(0)
            assert leaf.is_open()
            assert leaf.is_gone()
            with pytest.raises(OSError):
                leaf.address()
            await endpoint.close()
            assert not leaf.is_open()

    run(main)


def test_where_another_port_is_allowed_it_moves_to_one():
    async def main():
        async with rust_endpoint() as endpoint:
            listener = Heard(endpoint)
            endpoint.add_prefix_listener(listener, PREFIX)
            port = endpoint.get_address()[1]
            assert listener.my_estimated_lan[1] == port
            with leaf_of(endpoint, allow_port_change="at once") as leaf, taken_from(endpoint):
                done = await leaf.rebind()
                assert done.moved
                assert endpoint.get_address() == (HOST, done.port) != (HOST, port)
                assert listener.my_estimated_lan[1] == done.port
                await hears(endpoint, listener, b"there")

    run(main)


def test_nothing_leaks():
    async def main():
        async with rust_endpoint() as endpoint:
            endpoint.create_socks5_server(0, 1)
            with leaf_of(endpoint) as leaf:
                await leaf.rebind()
                before = open_handles()
                for _ in range(20):
                    await leaf.rebind()
                await until(lambda: open_handles() < before + 10)

    run(main)


def test_a_version_that_cannot_be_reopened_is_only_reported():
    class Old:  # as that of 0.1.17, for which no Python has an IPv8 of today
        def is_open(self):
            return True  # for ever

        def close(self):
            pass

    endpoint = SimpleNamespace(rust_ep=Old(), is_open=Old().is_open, _shutdown=False)
    leaf = RustLeaf(endpoint, REBINDING)
    assert not leaf.rebinds
    assert leaf.is_open()
    endpoint._shutdown = True
    assert not leaf.is_open()
