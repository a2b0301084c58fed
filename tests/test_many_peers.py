"""A stranger who is a thousand peers: what the monitor does for it, and what it is sent."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
import threading
from types import SimpleNamespace
from typing import Any, Callable, Iterator

import pytest

if sys.platform == "win32":
    pytest.skip("nothing here depends on the platform", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.interfaces.udp.endpoint import UDPv4Address
from ipv8.peer import Peer
from monitored import Node

from tribler_udp_fix import PeerMonitor, PeerState, Settings
from tribler_udp_fix._peers._heartbeat_policy import PINGS
from tribler_udp_fix._peers._observer import Observer
from tribler_udp_fix._peers._questions import PING, PREFIX, Questions

TICK = 0.5
PACE = 16  # questions a second: RandomChurn's
STRANGER = UDPv4Address("127.0.0.1", 9)


class Crowd:
    """A monitor by a clock of the test's own; what it sends is noted, and goes nowhere."""

    def __init__(self, node: Node) -> None:
        self.node, self.now = node, 1000.0
        self.sent: list[tuple[float, Any]] = []
        self.answering: set[Any] = set()
        endpoint: Any = node.endpoint
        endpoint.send = self._send
        ipv8: Any = SimpleNamespace(
            endpoint=node.endpoint, network=node.network, overlays=node.overlays
        )
        self.monitor = PeerMonitor(ipv8, None, Settings(), clock=lambda: self.now)

    def _send(self, address: Any, data: bytes) -> None:
        self.sent.append((self.now, tuple(address)))
        if data[PREFIX] == PING and tuple(address) in self.answering:
            pong = data[:PREFIX] + b"\x04" + data[PREFIX + 1 :]
            self.monitor._on_packet(tuple(address), pong)

    def add(self, count: int, address: UDPv4Address | None = None) -> list[Any]:
        """So many peers become known, all at *address*, or each at its own."""
        known = len(self.node.network.verified_peers)
        made = []
        for number in range(known, known + count):
            key = default_eccrypto.generate_key("curve25519").pub()
            where = address or UDPv4Address("127.0.0.2", 1024 + number)
            made.append(Peer(key, where))
            self.node.network.add_verified_peer(made[-1])
        return made

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / TICK)):
            self.now += TICK
            self.monitor.look()

    def states(self) -> collections.Counter[PeerState]:
        return collections.Counter(one.policy.state for one in self.monitor._peers.values())


def crowd(test: Callable[[Crowd], None]) -> None:
    async def main() -> None:
        node = await Node().open()
        here = Crowd(node)
        try:
            async with here.monitor:
                test(here)  # without a pause, in which the monitor's own timer would look as well
        finally:
            await node.close()
            await asyncio.sleep(0)  # the transport's last turn

    asyncio.run(main())


@contextlib.contextmanager
def steps() -> Iterator[list[int]]:
    """Count the calls of Python's functions, and the items of its generators, of this thread."""
    count, before = [0], sys.getprofile()

    def seen(_frame: Any, event: str, _argument: Any) -> None:
        count[0] += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        yield count
    finally:
        sys.setprofile(before)


class Watched(dict):  # type: ignore[type-arg]
    """A dict that counts what is read of it one after the other."""

    read = 0

    def __iter__(self) -> Iterator[Any]:
        for key in super().__iter__():
            self.read += 1
            yield key

    def items(self) -> Any:
        self.read += len(self)
        return super().items()


def test_a_ping_costs_the_same_however_many_are_outstanding() -> None:
    def test(here: Crowd) -> None:
        questions: Any = Questions(here.monitor._ipv8)
        questions.renew()
        questions._pings = Watched()
        for number in range(4000):
            questions.ping("a peer", STRANGER, number / 1000)
        assert len(questions._pings) == 4000
        assert questions._pings.read <= 4000
        questions.ping("a peer", STRANGER, 32.0)
        assert len(questions._pings) == 2001  # those of the last 30 s

    crowd(test)


class Keyed:
    """A peer of IPv8's which counts how often it is asked for its key."""

    asked = 0

    def __init__(self, key: bytes) -> None:
        self.public_key, self._key = self, key

    def key_to_bin(self) -> bytes:
        Keyed.asked += 1
        return self._key


def test_peers_that_are_known_are_not_asked_for_their_keys_again() -> None:
    peers = {Keyed(number.to_bytes(2, "big")) for number in range(3000)}
    network = SimpleNamespace(graph_lock=threading.RLock(), verified_peers=peers)
    observer = Observer(network)
    observer.start()
    assert len(list(observer.changes())) == 3000
    Keyed.asked = 0
    observer.compare()
    assert Keyed.asked == 0
    left, newcomer = peers.pop(), Keyed(b"new")
    peers.add(newcomer)
    replaced = next(iter(peers - {newcomer}))
    peers.remove(replaced)
    another = Keyed(replaced._key)  # it may be elsewhere: it left, and came
    peers.add(another)
    found = list(observer.changes())
    assert {peer for added, peer in found if not added} == {left, replaced}
    assert {peer for added, peer in found if added} == {newcomer, another}
    assert [added for added, _ in found] == [False, False, True, True]
    assert Keyed.asked < 10


@pytest.mark.parametrize("address", [STRANGER, None], ids=["at one address", "everywhere"])
def test_a_look_costs_as_much_more_as_there_are_more_peers(address: Any) -> None:
    cost: list[int] = []

    def test(here: Crowd) -> None:
        here.add(len(cost) * 400 + 400, address)
        here.pass_time(1)
        for one in here.monitor._peers.values():  # all of them have missed every question
            one.policy.state, one.policy.asked = PeerState.SUSPECT, len(PINGS) + 1
            one.policy.deadline = here.now
        here.now += TICK
        with steps() as count:
            here.monitor.look()
        cost.append(count[0])

    crowd(test)
    crowd(test)
    assert cost[1] < 2.5 * cost[0]


def test_a_datagram_costs_the_same_however_many_peers_are_at_its_address() -> None:
    cost: list[int] = []

    def test(here: Crowd) -> None:
        here.add([1, 500][len(cost)], STRANGER)
        here.pass_time(1)
        with steps() as count:
            here.monitor._on_packet(tuple(STRANGER), bytes(100))
        cost.append(count[0])

    crowd(test)
    crowd(test)
    assert cost[0] == cost[1]


def of_each_second(sent: list[tuple[float, Any]]) -> collections.Counter[float]:
    """How many questions were sent within a second of each look, it included."""
    counts: collections.Counter[float] = collections.Counter()
    for at, _ in sent:
        counts[at] += 1
        counts[at - TICK] += 1
    return counts


def test_however_many_peers_are_silent_no_more_is_asked_a_second_than_by_randomchurn() -> None:
    def test(here: Crowd) -> None:
        peers = here.add(600)
        addresses = {tuple(peer.address) for peer in peers}
        here.pass_time(100)
        assert max(of_each_second(here.sent).values()) == PACE
        assert {address for _, address in here.sent} == addresses  # each had its turn
        asked = collections.Counter(address for _, address in here.sent)
        assert max(asked.values()) - min(asked.values()) <= 3
        assert here.states()[PeerState.GONE] == 0  # none of them was asked often enough

    crowd(test)


def test_nobody_has_gone_before_all_was_asked_however_long_that_takes() -> None:
    def test(here: Crowd) -> None:
        peers = here.add(200)
        for one in peers[:3]:
            here.answering.add(tuple(one.address))
        gone_at: dict[Any, int] = {}
        for _ in range(400):
            here.pass_time(TICK)
            asked = collections.Counter(address for _, address in here.sent)
            for one in here.monitor._peers.values():
                if one.policy.state is PeerState.GONE:
                    gone_at.setdefault(tuple(one.peer.address), asked[tuple(one.peer.address)])
        assert set(gone_at) == {tuple(one.address) for one in peers[3:]}
        # The introduction request needs a community that both have, which a test's peer has not.
        assert min(gone_at.values()) >= len(PINGS)

    crowd(test)


def test_a_thousand_peers_at_one_address_are_asked_one_question_at_a_time() -> None:
    def test(here: Crowd) -> None:
        here.add(1000, STRANGER)
        others = here.add(20)
        here.answering |= {tuple(one.address) for one in others}
        here.pass_time(120)
        there = [at for at, address in here.sent if address == tuple(STRANGER)]
        assert 60 <= len(there) <= 120
        assert min(later - at for at, later in zip(there, there[1:])) >= 1.0
        # The others lose nothing by it.
        asked = collections.Counter(address for _, address in here.sent)
        for one in others:
            assert asked[tuple(one.address)] >= 120 // 30 - 1
            assert here.monitor.state(one) is PeerState.ALIVE

    crowd(test)


def test_what_comes_from_the_address_of_many_that_have_gone_is_one_question() -> None:
    def test(here: Crowd) -> None:
        here.add(1000, STRANGER)
        here.pass_time(1)
        for one in here.monitor._peers.values():
            one.policy.answers, one.policy.state = True, PeerState.GONE
            one.policy.deadline = here.now + 1000
        for _ in range(20):
            here.monitor._on_packet(tuple(STRANGER), bytes(100))
            here.pass_time(TICK)
        assert 5 <= len(here.sent) <= 10  # in 10 s

    crowd(test)


def test_who_returns_while_many_that_have_gone_are_due_is_asked_before_them() -> None:
    def test(here: Crowd) -> None:
        peers = here.add(500)
        here.pass_time(1)
        for one in here.monitor._peers.values():
            one.policy.answers, one.policy.state = True, PeerState.GONE
            one.policy.deadline = here.now
        back = tuple(peers[-1].address)
        here.answering.add(back)
        here.monitor._on_packet(back, bytes(100))
        here.pass_time(TICK)
        assert here.monitor.state(peers[-1]) is PeerState.ALIVE

    crowd(test)


def test_two_hundred_peers_in_use_are_asked_after_15_s_of_silence() -> None:
    def test(here: Crowd) -> None:
        peers = here.add(200)
        here.answering |= {tuple(one.address) for one in peers}
        last: dict[Any, float] = {}
        waits = []
        for _ in range(240):
            for one in here.monitor._peers.values():
                one.was_used = True
            before = len(here.sent)
            here.pass_time(TICK)
            for at, address in here.sent[before:]:
                if address in last:
                    waits.append(at - last[address])
                last[address] = at
        assert len(waits) >= 2 * 200
        assert max(waits) <= 15 * 1.2 + 2.0  # the jitter, and two seconds of waiting for its turn
        assert here.states() == {PeerState.ALIVE: 200}

    crowd(test)


def test_of_thirty_peers_the_ten_that_leave_are_gone_within_a_minute_among_a_crowd() -> None:
    def test(here: Crowd) -> None:
        peers = here.add(30)
        here.answering |= {tuple(one.address) for one in peers}
        here.add(1000, STRANGER)  # who is somebody else's trouble
        here.pass_time(60)
        for one in peers[:10]:
            here.answering.discard(tuple(one.address))
        here.pass_time(60)
        states = [here.monitor.state(one) for one in peers]
        assert states[:10] == [PeerState.GONE] * 10
        assert PeerState.GONE not in states[10:]
        assert max(of_each_second(here.sent).values()) <= PACE

    crowd(test)
