"""Real IPv8 nodes on loopback, one of which watches the others by a clock of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any, AsyncIterator, ClassVar

from ipv8.community import Community, CommunitySettings
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
from ipv8.peer import Peer
from ipv8.peerdiscovery.community import DiscoveryCommunity
from ipv8.peerdiscovery.network import Network

import tribler_udp_fix
from tribler_udp_fix import PeerMonitor, PeerState, Settings, Watchdog
from tribler_udp_fix._ipv8._error_counts import count_error
from tribler_udp_fix._requests._gone import is_gone

HOST = "127.0.0.1"
TICK = 0.5
ARRIVES = 0.004  # seconds, of the machine, in which an answer on loopback is here
ANSWERED = 10  # of these, at most, until a question was answered, if it is


class Endpoint(UDPEndpoint):  # type: ignore[misc]
    """One that loses what is sent to some addresses."""

    deaf: ClassVar[set[Any]] = set()

    def send(self, socket_address: Any, packet: bytes) -> None:
        if tuple(socket_address) not in self.deaf:
            super().send(socket_address, packet)


class Plain(Community):  # type: ignore[misc]
    """A community as a program's own: it answers introduction requests, and no ping."""

    community_id = bytes(range(20))


class Node:
    """A community on a socket of its own."""

    async def open(self, port: int = 0, kind: Any = DiscoveryCommunity) -> Node:
        self.endpoint, self.network = Endpoint(port, HOST), Network()
        await self.endpoint.open()
        self.address = (HOST, self.endpoint.get_address()[1])
        me = Peer(default_eccrypto.generate_key("curve25519"), self.address)
        self.community = kind(
            CommunitySettings(my_peer=me, endpoint=self.endpoint, network=self.network)
        )
        self.overlays = [self.community]
        return self

    def greet(self, other: Node) -> None:
        """Send a signed message, by which the other one knows this node."""
        self.community.walk_to(other.address)

    async def close(self) -> None:
        await self.community.unload()
        self.endpoint.close()


class Scene:
    """A node that watches some others, all of which it knows."""

    def __init__(self, first: Node, others: list[Node], settings: Settings) -> None:
        self.now = 1000.0
        self.first, self.others = first, others
        self.events: list[tuple[str, int]] = []
        self.silent: list[float] = []  # seconds, of each event
        ipv8: Any = SimpleNamespace(
            endpoint=first.endpoint, network=first.network, overlays=first.overlays
        )
        self.monitor = PeerMonitor(ipv8, self._take, settings, clock=lambda: self.now)

    def _take(self, event: tribler_udp_fix.PeerEvent) -> None:
        ports = [other.address[1] for other in self.others]
        self.events.append((event.kind.value, ports.index(event.peer.address[1])))
        self.silent.append(event.silent)

    def peer(self, number: int) -> Any:
        """What the first node knows the other one as."""
        key = self.others[number].community.my_peer.public_key.key_to_bin()
        return self.first.network.get_verified_by_public_key_bin(key)

    def states(self) -> list[PeerState | None]:
        """How each of the others is said to be doing."""
        return [self.monitor.state(self.peer(number)) for number in range(len(self.others))]

    async def pass_time(self, seconds: float) -> None:
        """Take the monitor's looks for so long, each after the answers to the one before."""
        endpoint = self.first.endpoint
        for _ in range(int(seconds / TICK)):
            sent, heard = endpoint.bytes_up, endpoint.bytes_down
            self.now += TICK
            self.monitor.look()
            for _ in range(ANSWERED):
                await asyncio.sleep(ARRIVES)
                if endpoint.bytes_down - heard >= endpoint.bytes_up - sent:
                    break
        await asyncio.sleep(0.1)  # the last answers


@contextlib.asynccontextmanager
async def scene(
    count: int, settings: Settings | None = None, kind: Any = DiscoveryCommunity
) -> AsyncIterator[Scene]:
    """A node that knows so many others; each has a community of that *kind*."""
    nodes = [await Node().open(kind=kind) for _ in range(count + 1)]
    first, *others = nodes
    made = Scene(first, others, settings or Settings())
    for other in others:
        other.greet(first)
    while len(first.network.verified_peers) < count:
        await asyncio.sleep(ARRIVES)
    try:
        async with made.monitor:
            yield made
    finally:
        Endpoint.deaf.clear()
        for node in nodes:
            with contextlib.suppress(Exception):  # it has left already
                await node.close()


async def leaving() -> None:
    async with scene(30) as here:
        await here.pass_time(5)  # what they have to say to each other
        endpoint = here.first.endpoint
        paid = endpoint.bytes_up + endpoint.bytes_down
        await here.pass_time(60)
        assert endpoint.bytes_up + endpoint.bytes_down - paid < 60 * 150
        assert here.states() == [PeerState.ALIVE] * 30
        before = here.monitor.status()
        assert 30 <= before.pings <= 30 * 4
        assert before.answers >= 30
        assert before.median_rtt is not None
        for other in here.others[:10]:
            await other.close()
        await here.pass_time(60)
        assert here.states() == [PeerState.GONE] * 10 + here.states()[10:]
        assert sorted(here.events) == [("gone", number) for number in range(10)]
        assert PeerState.GONE not in here.states()[10:]
        gone = [is_gone(here.peer(number)) for number in range(30)]  # as requests see it
        assert gone == [True] * 10 + [False] * 20
        assert len(here.first.network.verified_peers) == 30
        await here.pass_time(60)
        assert len(here.events) == 10
        after = here.monitor.status()
        assert (after.gone, after.went, after.returned, after.reason) == (10, 10, 0, "")


async def returning() -> None:
    async with scene(3) as here:
        await here.pass_time(35)
        left = here.others[0]
        await left.close()
        await here.pass_time(60)
        assert here.events == [("gone", 0)]
        assert not await here.monitor.check(here.peer(0), timeout=0.05)
        assert await here.monitor.check(here.peer(1), timeout=5.0)
        assert here.monitor.rtt(here.peer(1)) is not None
        # Somebody else at its address, who can sign nothing and knows no number of ours.
        stranger = Endpoint(left.address[1], HOST)
        await stranger.open()
        prefix = here.first.community.get_prefix()
        for data in (b"x" * 40, prefix + b"\x04" + bytes(10), prefix + b"\xf6" + bytes(200)):
            stranger.send(here.first.address, data)
        await here.pass_time(5)
        assert here.states()[0] is PeerState.GONE
        # The peer itself.
        peer = left.community.my_peer
        left.community.endpoint = stranger
        packet = left.community.create_introduction_request(here.first.address)
        assert peer.public_key.key_to_bin() in packet
        stranger.send(here.first.address, packet)
        await here.pass_time(2)
        assert here.states()[0] is PeerState.ALIVE
        assert here.events == [("gone", 0), ("returned", 0)]
        stranger.close()


async def forged() -> None:
    """What comes from its address, and is not signed, keeps nobody from being gone for ever."""
    async with scene(3) as here:
        await here.pass_time(35)
        left = here.others[0]
        await left.close()
        await asyncio.sleep(0.05)  # the last turn of its socket
        stranger = Endpoint(left.address[1], HOST)
        await stranger.open()
        assert stranger.get_address()[1] == left.address[1]
        for _ in range(30):
            stranger.send(here.first.address, here.first.community.get_prefix() + b"?" + bytes(40))
            await here.pass_time(8)
        assert here.events == [("gone", 0)]
        assert here.states() == [PeerState.GONE, PeerState.ALIVE, PeerState.ALIVE]
        assert here.silent[0] >= 22.0  # what came meanwhile was nothing
        stranger.close()
        await asyncio.sleep(0.05)  # the last turn of its socket


async def dropped() -> None:
    async with scene(3, Settings(drop_gone_peers=True)) as here:
        await here.pass_time(35)
        peer = here.peer(0)
        await here.others[0].close()
        await here.pass_time(60)
        assert here.events == [("gone", 0)]
        assert len(here.first.network.verified_peers) == 2
        assert here.monitor.state(peer) is PeerState.GONE
        moved = Peer(peer.public_key, (HOST, 1))
        assert here.monitor.state(moved) is None  # it was gone from where it was
        here.now += 61.0
        assert here.monitor.state(peer) is None  # and nobody has asked it since
        here.first.network.add_verified_peer(peer)
        await here.pass_time(1)
        assert here.events == [("gone", 0), ("returned", 0)]


async def alone() -> None:
    async with scene(4) as here:
        await here.pass_time(35)
        for other in here.others:
            Endpoint.deaf.add(other.address)
        await here.pass_time(200)
        assert here.events == []
        assert here.states() == [PeerState.SUSPECT] * 4
        assert here.monitor.status().reason.startswith("the network is quiet")
        for other in here.others[1:]:
            Endpoint.deaf.discard(other.address)
        await here.pass_time(120)
        assert here.events == [("gone", 0)]
        assert PeerState.GONE not in here.states()[1:]


async def deaf() -> None:
    """Nobody is judged by a node that is deaf; two peers are too few to tell by them alone."""
    async with scene(2) as here:
        await here.pass_time(35)
        hurry = Settings(probe_after=0.1, probe_timeout=0.1, probe_misses=1, tick=0.05)
        async with Watchdog(here.first.endpoint, hurry) as watchdog:
            sender: Any = watchdog._around.sender  # type: ignore[union-attr]
            send = sender.send
            lost = {here.first.address}
            sender.send = lambda address, data: tuple(address[:2]) in lost or send(address, data)
            Endpoint.deaf.add(here.first.address)
            while watchdog.status().endpoints[0].state in ("healthy", "quiet"):
                await asyncio.sleep(0.01)
            for _ in range(15):
                await here.pass_time(6)
                lasts = watchdog.status().endpoints[0].state
                if lasts not in ("healthy", "quiet"):
                    assert here.monitor.status().reason.startswith("you cannot hear")
            assert here.events == []
            lost.clear()
            Endpoint.deaf.clear()
            while watchdog.status().endpoints[0].state not in ("healthy", "quiet"):
                await asyncio.sleep(0.01)
            await here.pass_time(60)
            assert here.states() == [PeerState.ALIVE] * 2
            assert here.events == []


async def asleep() -> None:
    """A loop that stood still, or a machine that slept, makes nobody gone."""
    async with scene(3) as here:
        await here.pass_time(35)
        here.now += 7200.0
        here.monitor.look()
        assert here.states() == [PeerState.QUIET] * 3
        await here.pass_time(60)
        assert here.events == []
        assert here.monitor.status().alive == 3


async def erring() -> None:
    """An ICMP error names nobody: who has been silent the longest is asked, and nobody judged."""
    async with scene(3) as here:
        await here.pass_time(5)
        before = here.monitor.status()
        for _ in range(50):
            count_error(here.first.endpoint, ConnectionResetError(10054, "a peer has left"))
        await here.pass_time(3)
        after = here.monitor.status()
        assert after.pings == before.pings + 1
        assert after.alive == 3
        assert here.events == []


async def cleaned_up() -> None:
    """Nothing is left in IPv8 of a monitor that has stopped."""
    async with scene(2) as here:
        await here.pass_time(5)
        monitor, first = here.monitor, here.first
        assert len(first.network.peer_observers) == 1
        Endpoint.deaf.add(here.others[0].address)
        asking = asyncio.ensure_future(monitor.check(here.peer(0), timeout=60))
        await asyncio.sleep(0.05)
        monitor.stop()
        monitor.stop()
        assert not await asking
        assert first.network.peer_observers == set()
        assert monitor._listener not in first.endpoint._listeners


async def one_datagram_lost() -> None:
    """Who answers no ping is not gone for one introduction request that did not arrive."""
    async with scene(2, kind=Plain) as here:
        await here.pass_time(5)
        lost: list[bytes] = []
        endpoint: Any = here.first.endpoint
        send = endpoint.send

        def lossy(address: Any, packet: bytes) -> None:
            if tuple(address) == here.others[0].address and not lost:
                lost.append(packet)
            else:
                send(address, packet)

        endpoint.send = lossy
        await here.pass_time(150)
        assert len(lost) == 1
        assert here.events == []
        assert here.states() == [PeerState.ALIVE] * 2


async def out_of_reach() -> None:
    """Who answers no ping, and says nothing by itself, is found again all the same."""
    async with scene(2, kind=Plain) as here:
        await here.pass_time(5)
        Endpoint.deaf.add(here.others[0].address)
        await here.pass_time(150)
        assert here.events == [("gone", 0)]
        Endpoint.deaf.clear()
        await here.pass_time(80)
        assert here.events == [("gone", 0), ("returned", 0)]
        # So are all of them, where nobody was heard at all.
        Endpoint.deaf.update(other.address for other in here.others)
        await here.pass_time(200)
        Endpoint.deaf.clear()
        await here.pass_time(80)
        assert here.states() == [PeerState.ALIVE] * 2


SCENARIOS = (
    leaving,
    returning,
    forged,
    dropped,
    alone,
    deaf,
    asleep,
    erring,
    cleaned_up,
    one_datagram_lost,
    out_of_reach,
)
