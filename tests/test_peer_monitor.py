"""Real IPv8 nodes watch each other on Linux; tests/windows does so on Windows."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from importlib import metadata
from types import ModuleType
from typing import Any, Callable, Iterator

import pytest

import tribler_udp_fix
from tribler_udp_fix import PeerState, Settings
from tribler_udp_fix._peers._pings import run_pings
from tribler_udp_fix._peers._questions import Questions
from tribler_udp_fix._requests._gone import is_gone

if sys.platform == "win32":
    pytest.skip("tests/windows/test_peer_monitor.py is for Windows", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.interfaces.udp.endpoint import UDPv4Address
from ipv8.peer import Peer
from ipv8.peerdiscovery.network import Network
from monitored import HOST, SCENARIOS, Node, Plain, dropped, scene
from peer_expected import check_watched

from .test_ipv8_faults import SCRIPT, output_of


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: str(scenario.__name__))
def test_peers_are_watched(scenario: Any) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


RUST = importlib.util.find_spec("ipv8_rust_tunnels") is not None


@pytest.mark.parametrize(
    ("option", "endpoint"),
    [
        ((), "peer_faults"),
        pytest.param(
            ("--rust",),
            "ipv8_rust_tunnels.endpoint",
            marks=pytest.mark.skipif(not RUST, reason="ipv8-rust-tunnels needs Python 3.10"),
        ),
    ],
    ids=["python", "rust"],
)
def test_peers_are_watched_over_each_endpoint(option: tuple[str, ...], endpoint: str) -> None:
    seen = output_of(SCRIPT.with_name("peers_watched.py"), *option, plugin=True)
    check_watched(seen, metadata.version("pyipv8"), endpoint)


@pytest.fixture
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv8's network tells nobody of its peers, as pyipv8 2.10's."""
    for name in ("add_peer_observer", "remove_peer_observer"):
        monkeypatch.delattr(Network, name)


def test_a_network_that_tells_nobody_of_its_peers_is_looked_at(untold: None) -> None:
    asyncio.run(asyncio.wait_for(dropped(), 60))


def test_who_is_met_again_elsewhere_is_asked_there_though_nobody_was_told(untold: None) -> None:
    async def main() -> None:
        async with scene(3) as here:
            await here.pass_time(35)
            moved, known = here.others[0], here.peer(0)
            await moved.close()
            again = await Node().open()
            here.first.network.remove_peer(known)
            where = UDPv4Address(HOST, again.address[1])
            here.first.network.add_verified_peer(Peer(known.public_key, where))
            await here.pass_time(1)
            asked = here.monitor._peers[known.public_key.key_to_bin()].peer
            assert asked.address == where
            await again.close()

    asyncio.run(main())


class Raising:
    """Somebody else's observer of IPv8's network, with a fault of its own."""

    def __init__(self, raises: tuple[str, ...]) -> None:
        self.raises = raises

    def on_peer_added(self, _peer: Any) -> None:
        self._raise("added")

    def on_peer_removed(self, _peer: Any) -> None:
        self._raise("removed")

    def _raise(self, what: str) -> None:
        if what in self.raises:
            raise ValueError(what)


@pytest.mark.parametrize("raises", [("added",), ("removed",), ("added", "removed")])
def test_an_observer_that_raises_keeps_no_peer_from_the_monitor_nor_in_it(raises) -> None:
    async def main() -> None:
        async with scene(3) as here:
            network: Any = here.first.network
            await here.pass_time(1)
            network.peer_observers = [Raising(raises), *network.peer_observers]  # and it is first
            peers = [here.peer(number) for number in range(3)]
            newcomer = Peer(default_eccrypto.generate_key("curve25519").pub(), ("127.0.0.1", 9))
            for change, peer in (
                (network.remove_peer, peers[0]),
                (network.add_verified_peer, newcomer),
                (network.remove_peer, peers[1]),
            ):
                with contextlib.suppress(ValueError):
                    change(peer)
            await here.pass_time(1)
            watched = {one.peer for one in here.monitor._peers.values()}
            assert watched == set(network.verified_peers) == {newcomer, peers[2]}
            network.peer_observers = set(network.peer_observers[1:])

    asyncio.run(main())


def test_a_pings_number_is_none_of_ipv8s_own_now_or_soon() -> None:
    async def main() -> None:
        async with scene(1) as here:
            discovery, questions = here.first.community, Questions(here.first)
            for _ in range(300):
                discovery.send_ping(here.peer(0))
            now = discovery.global_time
            taken = set(range(now - 299, now + 1000))
            numbers = {questions._number(discovery) for _ in range(20_000)}
            assert not numbers & taken
            assert max(numbers) < 65_536

    asyncio.run(main())


def test_a_ping_is_answered_from_where_it_was_sent_to_and_by_its_community_alone() -> None:
    async def main() -> None:
        async with scene(1) as here:
            questions, address = Questions(here.first), here.others[0].address
            questions.renew()
            questions.ping("a peer", address, 0.0)
            (number,) = questions._pings
            prefix = here.first.community.get_prefix()
            pong = b"\x04" + bytes(8) + number.to_bytes(2, "big")
            elsewhere = (address[0], address[1] ^ 1)
            assert questions.answer(elsewhere, prefix + pong, 1.0) is None
            assert questions.answer(address, prefix[::-1] + pong, 1.0) is None
            assert questions.answer(address, prefix + pong[:-1] + b"\0\0", 1.0) is None
            assert questions.answer(address, prefix + pong, 1.0) == ("a peer", 1.0)
            assert questions.answer(address, prefix + pong, 1.0) is None

    asyncio.run(main())


def test_whoever_has_gone_is_not_known_to_have_left_another_address() -> None:
    async def main() -> None:
        async with scene(2) as here:
            await here.pass_time(35)
            moved, stayed = here.peer(0), here.peer(1)
            elsewhere = [Peer(peer.public_key, UDPv4Address(HOST, 9)) for peer in (moved, stayed)]
            await here.others[0].close()
            await here.pass_time(60)
            assert here.events == [("gone", 0)]
            same = Peer(moved.public_key, (HOST, moved.address[1]))  # as a program makes one
            assert [here.monitor.state(one) for one in (moved, same)] == [PeerState.GONE] * 2
            assert here.monitor.state(elsewhere[0]) is None
            assert [is_gone(one) for one in (moved, elsewhere[0])] == [True, False]
            # Whoever is there is there by its key, wherever it is to be asked.
            assert here.monitor.state(elsewhere[1]) is PeerState.ALIVE

    asyncio.run(main())


def test_nobody_has_gone_whom_no_question_could_be_sent_to() -> None:
    async def main() -> None:
        async with scene(2, Settings(drop_gone_peers=True), kind=Plain) as here:
            await here.pass_time(5)
            overlays: Any = here.first.overlays
            community = overlays.pop()  # as IPv8.unload_overlay() does
            await here.pass_time(150)
            assert here.events == []
            assert set(here.states()) <= {PeerState.ALIVE, PeerState.QUIET}
            assert len(here.first.network.verified_peers) == 2
            assert not await here.monitor.check(here.peer(0), timeout=0.05)
            # As soon as they can be asked they are judged as ever.
            overlays.append(community)
            await here.others[0].close()
            await here.pass_time(150)
            assert here.events == [("gone", 0)]

    asyncio.run(main())


def test_nobody_has_gone_where_every_question_raises() -> None:
    async def main() -> None:
        async with scene(2) as here:
            await here.pass_time(35)
            endpoint: Any = here.first.endpoint

            def closed(*_: Any) -> None:
                raise RuntimeError("closed")

            send, endpoint.send = endpoint.send, closed
            await here.pass_time(150)
            assert here.events == []
            endpoint.send = send
            await here.pass_time(60)
            assert here.states() == [PeerState.ALIVE] * 2

    asyncio.run(main())


def test_who_cannot_be_asked_takes_no_turn_of_those_who_can_and_stays_no_verdict() -> None:
    async def main() -> None:
        async with scene(1, kind=Plain) as here:
            for port in range(1024, 1624):
                key = default_eccrypto.generate_key("curve25519").pub()
                here.first.network.add_verified_peer(Peer(key, UDPv4Address("127.0.0.2", port)))
            await here.pass_time(35)  # by now a question to each of them was due
            assert here.states() == [PeerState.ALIVE]
            await here.others[0].close()
            await here.pass_time(90)
            assert here.events == [("gone", 0)]
            assert here.monitor.status().suspect == 0

    asyncio.run(main())


# By itself, for each IPv8 instance.


def service() -> Any:
    """An IPv8 instance as Tribler 8 makes one: with a DHT whose nodes nobody pings."""
    from ipv8.configuration import ConfigBuilder
    from ipv8_service import IPv8

    builder = ConfigBuilder().clear_keys().clear_overlays()
    builder.set_address("127.0.0.1").set_port(0).add_key("me", "curve25519", "")
    for name in ("DiscoveryCommunity", "DHTDiscoveryCommunity"):
        builder.add_overlay(name, "me", [], [], {}, [])
    configuration = builder.finalize()
    for key in configuration["keys"]:
        key["file"] = None
    return IPv8(configuration)


@pytest.fixture
def install() -> Iterator[Callable[..., None]]:
    def installed(**given: Any) -> None:
        tribler_udp_fix.install(tribler_udp_fix.Settings(**given))

    yield installed
    tribler_udp_fix.install(tribler_udp_fix.Settings())
    tribler_udp_fix.uninstall()


def pingers(ipv8: Any) -> list[str]:
    return [type(strategy).__name__ for strategy, _ in ipv8.strategies]


def test_each_instance_is_monitored_and_its_dht_pings_where_the_settings_say_so(install) -> None:
    async def main() -> None:
        ipv8 = service()
        await ipv8.start()
        assert pingers(ipv8) == ["PingChurn"]
        (status,) = tribler_udp_fix.status().peers
        assert (status.alive, status.reason) == (0, "")
        await ipv8.stop()
        assert pingers(ipv8) == []
        assert tribler_udp_fix.status().peers == ()

    install(peer_monitor="on", dht_pings="on")
    asyncio.run(main())


def test_outside_tribler_neither_is_there_by_default_and_inside_it_both_are(
    install, monkeypatch
) -> None:
    async def main() -> tuple[list[str], int]:
        ipv8 = service()
        await ipv8.start()
        seen = pingers(ipv8), len(tribler_udp_fix.status().peers)
        await ipv8.stop()
        return seen

    install()
    assert asyncio.run(main()) == ([], 0)
    monkeypatch.setitem(sys.modules, "tribler.core", ModuleType("tribler.core"))
    assert asyncio.run(main()) == (["PingChurn"], 1)


def test_a_dht_that_pings_by_itself_is_left_alone_and_one_loaded_later_is_found(install) -> None:
    from ipv8.dht.churn import PingChurn

    async def main() -> None:
        ipv8 = service()
        dht = ipv8.overlays[1]
        ipv8.overlays.remove(dht)
        await ipv8.start()
        ipv8.overlays.append(dht)
        assert pingers(ipv8) == []
        assert len(run_pings(ipv8)) == 1
        assert run_pings(ipv8) == []
        ipv8.strategies = [(PingChurn(dht), -1)]
        assert run_pings(ipv8) == []
        await ipv8.stop()

    install(dht_pings="off")
    asyncio.run(main())


def test_a_dead_node_leaves_the_routing_table_only_where_the_dht_pings(install) -> None:
    from ipv8.dht.routing import Node

    async def main() -> int:
        ipv8 = service()
        ipv8.walk_interval = 0.01
        await ipv8.start()
        dht = ipv8.overlays[1]
        key = default_eccrypto.generate_key("curve25519").pub()
        node = Node(key, UDPv4Address("127.0.0.1", 1))
        table = dht.get_routing_table(node)
        table.add(node)
        node.failed = 3  # pings missed: bad, by IPv8's own rule
        await asyncio.sleep(0.3)
        left = sum(len(bucket.nodes) for bucket in table.trie.values())
        await ipv8.stop()
        return left

    install()
    assert asyncio.run(main()) == 1
    install(dht_pings="on")
    assert asyncio.run(main()) == 0


def test_uninstalling_stops_the_monitors(install) -> None:
    async def main() -> None:
        ipv8 = service()
        await ipv8.start()
        tribler_udp_fix.uninstall()
        await asyncio.sleep(0.05)
        assert tribler_udp_fix.status().peers == ()
        assert pingers(ipv8) == []
        assert ipv8.network.peer_observers == set()
        await ipv8.stop()

    install(peer_monitor="on", dht_pings="on")
    asyncio.run(main())
