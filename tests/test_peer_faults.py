"""Each fault of IPv8's liveness, met and mended on Linux; tests/windows does so on Windows."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator

import pytest
from peer_expected import SCENARIOS, check

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix._ipv8._error_counts import count_error
from tribler_udp_fix._peers import _churn
from tribler_udp_fix._watchdog._proof import Proof, proof_of

if sys.platform == "win32":
    pytest.skip("tests/windows/test_peer_faults.py is for Windows", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
from ipv8.peer import Peer
from ipv8.peerdiscovery.churn import RandomChurn
from ipv8.peerdiscovery.community import DiscoveryCommunity, PingRequestCache
from ipv8.peerdiscovery.network import Network
from ipv8.requestcache import RandomNumberCache, RequestCache

from .test_ipv8_faults import SCRIPT as ENDPOINTS
from .test_ipv8_faults import output_of

SCRIPT = ENDPOINTS.with_name("peer_faults.py")
CLASSES = (RandomChurn, Network, DiscoveryCommunity, PingRequestCache, RequestCache)


def meet(plugin: bool, *scenarios: str, **env: str) -> dict[str, Any]:
    """What the script sees in a child, opted in by the variable alone or not."""
    return output_of(SCRIPT, *scenarios, plugin=plugin, **env)


def test_what_ipv8_does_to_its_peers_is_there_without_the_plugin_and_right_with_it() -> None:
    with ThreadPoolExecutor(2) as two:
        seen = list(two.map(lambda plugin: meet(plugin, *SCENARIOS), (False, True)))
    for plugin in (False, True):
        check(seen[plugin], plugin=plugin)


@pytest.fixture
def repaired() -> Iterator[None]:
    tribler_udp_fix.install()
    yield
    tribler_udp_fix.uninstall()


def test_after_uninstall_every_class_is_what_it_was() -> None:
    def vars_by_identity() -> Any:
        return [{name: id(value) for name, value in vars(cls).items()} for cls in CLASSES]

    before = vars_by_identity()
    tribler_udp_fix.install()
    changed = [cls for cls, now, was in zip(CLASSES, vars_by_identity(), before) if now != was]
    assert changed == [RandomChurn, Network, PingRequestCache, RequestCache]
    tribler_udp_fix.uninstall()
    assert vars_by_identity() == before


class Endpoint:
    """What errors are counted for."""


class Overlay:
    """What a churn needs of a community: its network, and a ping that is written down."""

    def __init__(self, count: int, *hosts: str) -> None:
        self.network = Network()
        self.pinged: list[Peer] = []
        places = [(host, port) for host in hosts or ("127.0.0.1",) for port in range(1, count + 1)]
        for place in places:
            peer = Peer(default_eccrypto.generate_key("curve25519").pub(), place)
            peer.last_response = time.time()
            peer.pings.extend([0.1] * 5)
            self.network.add_verified_peer(peer)

    def send_ping(self, peer: Peer) -> None:
        self.pinged.append(peer)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [time.time()]
    for module in ("ipv8.peerdiscovery.churn", "ipv8.peer"):
        monkeypatch.setattr(f"{module}.time", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def step(churn: RandomChurn, clock: list[float], seconds: float) -> None:
    """Take the churn's steps for so long, as IPv8 does: two a second."""
    for _ in range(int(seconds * 2)):
        clock[0] += 0.5
        churn.take_step()


def test_after_a_sleep_the_overdue_are_asked_first_and_no_faster_than_ever(repaired, clock):
    overlay = Overlay(30)
    churn = RandomChurn(overlay)
    step(churn, clock, 5)
    assert overlay.pinged == []
    clock[0] += 7200.0
    overdue = set(overlay.network.verified_peers)
    for peer in list(overdue)[:10]:  # these had something to say as soon as it woke up
        peer.last_response = clock[0]
        overdue.discard(peer)
    for count in (8, 16, 20, 20):
        step(churn, clock, 0.5)
        assert len(overlay.pinged) == count
        assert set(overlay.pinged) <= overdue
    orders = set()
    for _ in range(5):
        churn._pinged.clear()
        overlay.pinged.clear()
        step(churn, clock, 0.5)
        orders.add(tuple(peer.address for peer in overlay.pinged))
    assert len(orders) > 1  # not in the same order each time


def test_after_a_sleep_each_peer_has_the_whole_time_and_no_more(repaired, clock):
    overlay = Overlay(8)
    churn = RandomChurn(overlay)
    step(churn, clock, 50)  # all are overdue, and were asked in vain
    assert len(overlay.network.verified_peers) == 8
    clock[0] += 7200.0
    step(churn, clock, 57)
    assert len(overlay.network.verified_peers) == 8
    step(churn, clock, 3)
    assert len(overlay.network.verified_peers) == 0


def test_a_clock_that_is_set_back_is_no_evidence_and_slow_steps_are_no_doubt(repaired, clock):
    overlay = Overlay(8)
    churn = RandomChurn(overlay)
    step(churn, clock, 1)
    clock[0] -= 3600.0
    step(churn, clock, 1)
    for _ in range(8):  # a program that takes a step every fifteen seconds
        clock[0] += 600.0
        churn.take_step()
    assert len(overlay.network.verified_peers) == 0


def test_a_step_says_the_family_of_each_peer_after_a_doubt_once_and_of_no_more_than_it_needs(
    repaired, clock, monkeypatch
):
    said = []
    is_of_ipv6 = _churn._is_of_ipv6

    def counting(address: Any) -> bool:
        said.append(address)
        return is_of_ipv6(address)

    monkeypatch.setattr(_churn, "_is_of_ipv6", counting)
    overlay = Overlay(300)
    churn = RandomChurn(overlay)
    step(churn, clock, 5)
    assert len(said) <= 10 * 8 * 2  # in ten steps, of eight peers each
    clock[0] += 7200.0
    step(churn, clock, 0.5)
    del said[:], overlay.pinged[:]
    step(churn, clock, 0.5)
    assert len(overlay.pinged) == 8
    assert len(said) <= 300 + 8 + 8 * 2  # and of those that were pinged already


@pytest.fixture
def no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv4 hears, and there is no IPv6 to be bound."""
    proofs = {False: Proof(True, 0.0), True: Proof(False, 1000.0)}
    monkeypatch.setattr(_churn, "proof_of", lambda _endpoint, ipv6: proofs[ipv6])


def families(overlay: Overlay) -> set[str]:
    return {peer.address[0] for peer in overlay.network.verified_peers}


def test_without_ipv6_the_peers_that_leave_ipv4_are_dropped_as_ever(repaired, clock, no_ipv6):
    overlay = Overlay(8)
    churn = RandomChurn(overlay)
    step(churn, clock, 60)
    assert overlay.network.verified_peers == set()
    assert len(overlay.pinged) <= 8 * 5


def test_whoever_was_known_over_ipv6_is_kept_for_a_gap_and_no_longer(repaired, clock, no_ipv6):
    overlay = Overlay(30, "127.0.0.1", "2001:db8::1")
    churn = RandomChurn(overlay)
    step(churn, clock, 120)
    assert families(overlay) == {"2001:db8::1"}
    step(churn, clock, 400)
    assert len(overlay.network.verified_peers) == 30
    step(churn, clock, 200)
    assert overlay.network.verified_peers == set()


def test_where_no_probe_can_be_sent_nothing_is_proved_for_or_against(repaired: None) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")  # as of a firewall

    async def main() -> None:
        endpoint = UDPEndpoint(0, "127.0.0.1")
        assert await endpoint.open()
        settings = Settings(probe_after=0.2, probe_timeout=0.1, tick=0.05)
        async with Watchdog(endpoint, settings) as watchdog:
            proof = proof_of(endpoint, ipv6=False)
            assert proof is not None
            assert proof.sure
            around: Any = watchdog._around
            around.sender.send = refused
            while watchdog.status().endpoints[0].state != "unknown":
                await asyncio.sleep(0.02)
            assert proof_of(endpoint, ipv6=False) is None
        endpoint.close()

    asyncio.run(main())


def test_pings_that_nobody_answers_are_counted_and_those_that_earn_an_error(
    repaired, clock, monkeypatch
):
    def counted(name: str) -> int:
        return int(tribler_udp_fix.status().counters.get(name, 0))

    names = ("pings_unanswered", "pings_refused")
    before = [counted(name) for name in names]
    overlay, endpoint = Overlay(6), Endpoint()

    def send_ping(peer: Peer) -> None:
        if peer.address[1] <= 2:
            count_error(endpoint, OSError(10054, "refused"))
        elif peer.address[1] > 4:
            peer.last_response = clock[0]  # the last two are there, and answer

    monkeypatch.setattr(overlay, "send_ping", send_ping)
    step(RandomChurn(overlay), clock, 100)
    assert len(overlay.network.verified_peers) == 2
    # Four have gone, each was asked three times, and two of them earned an error each time.
    assert [counted(name) - was for name, was in zip(names, before)] == [12, 6]


class Cache(RandomNumberCache):  # type: ignore[misc]
    """One that would time out after ten seconds."""

    def on_timeout(self) -> None:
        self.timed_out = True


def test_a_passthrough_may_be_left_elsewhere_or_after_uninstall(repaired: None) -> None:
    async def main() -> None:
        requests = RequestCache()
        elsewhere, here = requests.passthrough(), requests.passthrough()
        contextvars.copy_context().run(elsewhere.__enter__)
        elsewhere.__exit__(None, None, None)
        here.__enter__()
        contextvars.copy_context().run(here.__exit__, None, None, None)
        caches = [requests.add(Cache(requests, "a"))]
        with requests.passthrough():
            tribler_udp_fix.uninstall()
            caches.append(requests.add(Cache(requests, "b")))
        tribler_udp_fix.install()
        with RequestCache().passthrough():  # another one's
            caches.append(requests.add(Cache(requests, "c")))
        await asyncio.sleep(0.05)
        assert [hasattr(cache, "timed_out") for cache in caches] == [False, False, False]
        with requests.passthrough():
            cache = requests.add(Cache(requests, "d"))
        await asyncio.sleep(0.05)
        assert hasattr(cache, "timed_out")
        await requests.shutdown()

    asyncio.run(main())
