"""What a Rust endpoint has after it was reopened: everything that it can be told again."""

from __future__ import annotations

import contextlib

import pytest
from rust import (
    EXIT_BT,
    HOST,
    TUNNEL_PREFIX,
    CellPayload,
    RelayRoute,
    Socks5Client,
    TunnelExitSocket,
    circuit,
    hop,
    in_gap,
    leaf_of,
    needs_rust,
    plain_socket,
    received,
    run,
    rust_endpoint,
    set_up_tunnels,
    until,
)

pytestmark = needs_rust

BITTORRENT = b"d1:ad2:id20:12345678901234567890e1:q4:ping1:t2:aa1:y1:qe"  # exits carry no other
CIRCUIT, RELAYED = 11, 12


@contextlib.asynccontextmanager
async def tunnel():
    """A client, a relay and an exit, with a circuit of two hops through them; and the circuit."""
    async with rust_endpoint() as client, rust_endpoint() as relay, rust_endpoint() as last:
        for endpoint in (client, relay, last):
            set_up_tunnels(endpoint)
        client_at, relay_at, last_at = (one.get_address() for one in (client, relay, last))
        made = circuit(CIRCUIT, hop(relay_at, b"a"), hop(last_at, b"b"))
        client.circuits[CIRCUIT] = made
        assert client.circuits[CIRCUIT] is made  # which tells Rust of its hops
        relay.relays[CIRCUIT] = RelayRoute(RELAYED, hop(last_at, b"a"), 0)
        relay.relays[RELAYED] = RelayRoute(CIRCUIT, hop(client_at, b"a"), 1)
        last.exit_sockets[RELAYED] = TunnelExitSocket(RELAYED, hop(relay_at, b"b"), None)
        yield client, relay, last, made


async def is_answered(app):
    """Send a datagram through the tunnel, and its answer back; returns the exit's address."""
    with plain_socket() as service:
        app.send(service.getsockname(), BITTORRENT)
        data, exit_address = await received(service)
        assert data == BITTORRENT
        service.sendto(b"d6:answere", exit_address)
        assert (await received(app.udp))[0].endswith(b"d6:answere")
        return exit_address


@pytest.mark.parametrize("whose", ["client", "relay", "exit"])
def test_a_circuit_goes_on_when_one_of_its_endpoints_was_reopened(whose):
    async def main():
        async with tunnel() as (client, relay, last, made):
            endpoint = {"client": client, "relay": relay, "exit": last}[whose]
            with leaf_of(endpoint) as leaf, contextlib.ExitStack() as stack:
                last.set_exit_address((HOST, 0))
                port = client.create_socks5_server(0, 2)
                app = stack.enter_context(Socks5Client(port))
                await is_answered(app)
                routing = (endpoint.circuits, endpoint.relays, endpoint.exit_sockets)
                kept = [dict(one.data) for one in routing]
                await leaf.rebind()
                assert [one.data for one in routing] == kept
                if endpoint is client:  # as a client does whose connection ends
                    app = stack.enter_context(Socks5Client(port))
                await is_answered(app)
                made.bytes_down = 0
                await until(lambda: made.bytes_down)  # by the task that reads the statistics

    run(main)


def test_a_key_never_meets_a_nonce_twice():
    async def main():
        async with rust_endpoint() as endpoint:
            set_up_tunnels(endpoint)
            with leaf_of(endpoint) as leaf, plain_socket() as peer:
                made = circuit(CIRCUIT, hop(peer.getsockname(), b"a"))
                endpoint.circuits[CIRCUIT] = made
                endpoint.exit_sockets[RELAYED] = TunnelExitSocket(
                    RELAYED, hop(peer.getsockname(), b"b"), None
                )
                nonces = set()
                for turn in range(3):
                    for circuit_id in (CIRCUIT, RELAYED) * 3:
                        endpoint.send_cell(peer.getsockname(), CellPayload(circuit_id, b"\x06ping"))
                        data, _ = await received(peer)
                        assert data.startswith(TUNNEL_PREFIX)
                        nonces.add((circuit_id, data[29:37]))
                    assert len(nonces) == 6 * (turn + 1)
                    await leaf.rebind()

    run(main)


def test_a_circuit_whose_nonces_are_used_up_is_not_restored():
    async def main():
        async with rust_endpoint() as endpoint:
            set_up_tunnels(endpoint)
            with leaf_of(endpoint) as leaf, plain_socket() as peer:
                made = circuit(CIRCUIT, hop(peer.getsockname(), b"a"))
                made.hop.keys.salt_explicit_forward = 2**32 - 2
                endpoint.circuits[CIRCUIT] = made
                await leaf.rebind()
                endpoint.send_cell(peer.getsockname(), CellPayload(CIRCUIT, b"\x06ping"))
                endpoint.send(peer.getsockname(), b"the next one")
                assert (await received(peer))[0] == b"the next one"

    run(main)


def test_what_it_was_told_while_it_was_watched_is_told_again():
    async def main():
        async with tunnel() as (client, _, last, _), rust_endpoint() as unused:
            exit_at = unused.get_address()
            await unused.close()
            last.settings.peer_flags = set()
            last.apply_settings()
            with leaf_of(last) as leaf:
                last.set_peer_flags({EXIT_BT})
                last.set_exit_address(exit_at)
                await leaf.rebind()
            with Socks5Client(client.create_socks5_server(0, 2)) as app:
                assert await is_answered(app) == exit_at

    run(main)


@pytest.mark.parametrize("told", ["by itself", "by settings"])
def test_relay_early_cells_are_limited_as_before(told):
    async def main():
        async with rust_endpoint() as endpoint:
            settings = set_up_tunnels(endpoint)
            with leaf_of(endpoint) as leaf, plain_socket() as peer:
                endpoint.set_max_relay_early(1)
                if told == "by settings":
                    settings.max_relay_early = 2
                    endpoint.apply_settings()
                endpoint.circuits[CIRCUIT] = circuit(CIRCUIT, hop(peer.getsockname(), b"a"))
                await leaf.rebind()
                early = []
                for _ in range(3):
                    endpoint.send_cell(peer.getsockname(), CellPayload(CIRCUIT, b"\x06ping"))
                    early.append((await received(peer))[0][28])
                assert early == ([1, 1, 0] if told == "by settings" else [1, 0, 0])

    run(main)


def test_socks5_servers_keep_their_ports_and_hops():
    async def main():
        async with rust_endpoint() as endpoint:
            set_up_tunnels(endpoint)
            expected = {endpoint.create_socks5_server(0, 1): 1}
            with leaf_of(endpoint) as leaf:
                expected[endpoint.create_socks5_server(0, 2)] = 2
                async with in_gap(leaf):
                    expected[endpoint.create_socks5_server(0, 3)] = 3
                    assert servers(endpoint) == expected
                await leaf.rebind()
                assert servers(endpoint) == expected
                for port in expected:
                    with Socks5Client(port):
                        pass

    run(main)


def servers(endpoint):
    return {server["port"]: server["hops"] for server in endpoint.get_socks5_statistics()}


def test_its_own_tasks_go_on():
    async def main():
        async with rust_endpoint() as endpoint:
            set_up_tunnels(endpoint)
            endpoint.circuits[CIRCUIT] = circuit(CIRCUIT, hop((HOST, 9), b"a"))
            endpoint.bytes_up = 1000
            with leaf_of(endpoint) as leaf:
                await leaf.rebind()
            assert endpoint.bytes_up == 1000
            endpoint.circuits[CIRCUIT].bytes_up = 7
            await until(lambda: endpoint.circuits[CIRCUIT].bytes_up == 0)

    run(main)
