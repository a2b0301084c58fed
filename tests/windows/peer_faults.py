"""Meets the faults of IPv8's liveness (F16 to F22) and prints what it saw, as JSON.

``python peer_faults.py NAME...``: whether the plugin is on is for the environment variable to say.
Runs with every pyipv8 from 2.10.0 on, on any platform; nodes speak over loopback, by real sockets.
"""

# ruff: noqa: E402 - IPv8 is to take a clock of ours, and what it can do without

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
import time
from importlib import metadata
from typing import Any, Callable

from sodium import stand_in_for_libsodium

HOST = "127.0.0.1"
SLEPT = [0.0]  # seconds by which the clock has jumped; IPv8 takes time.time() when it is imported

_real_time = time.time
time.time = lambda: _real_time() + SLEPT[0]

try:
    importlib.import_module("libnacl.dual")
except Exception:  # of libsodium that is not there: OSError, ImportError, ...
    stand_in_for_libsodium()

try:
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError:
    pass  # since 3.2 IPv8 does without
else:
    # The newest cryptography has IPv8's curves no more, and any will do here. 2.10 takes the class
    # for a curve, others make one of it.
    curve = type("Curve", (ec.SECP256R1,), {"__call__": lambda self: self})()
    for name in ("SECT163K1", "SECT233K1", "SECT409K1", "SECT409R1", "SECT571R1"):
        setattr(ec, name, curve)

import ipv8.community
import ipv8.keyvault.crypto
from ipv8.dht.discovery import DHTDiscoveryCommunity
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
from ipv8.peer import Peer
from ipv8.peerdiscovery.churn import RandomChurn
from ipv8.peerdiscovery.community import DiscoveryCommunity
from ipv8.peerdiscovery.network import Network
from ipv8.requestcache import RandomNumberCache, RequestCache

VERSION = tuple(map(int, metadata.version("pyipv8").split(".")))
if VERSION == (3, 2, 0):  # has classes of its own for its curves, which cryptography knows no more
    ipv8.keyvault.crypto._CURVES["very-low"] = (curve, "M2Crypto")
TIMES = {"ping_interval": 0.3, "inactive_time": 0.8, "drop_time": 1.7}  # IPv8's, a thirtieth


DEAF: set[Any] = set()  # the addresses that nothing arrives at


class Endpoint(UDPEndpoint):  # type: ignore[misc]
    """An endpoint of a network that loses what is sent to some addresses."""

    def send(self, socket_address: Any, packet: bytes) -> None:
        if tuple(socket_address) not in DEAF:
            super().send(socket_address, packet)


class Node:
    """One community on a socket of its own."""

    def __init__(self, community: Any = DiscoveryCommunity) -> None:
        self.endpoint = Endpoint(0, HOST)
        self.network = Network()
        self.me = Peer(default_eccrypto.generate_key("very-low"))
        self._class = community

    async def open(self) -> Node:
        await self.endpoint.open()
        given = {"my_peer": self.me, "endpoint": self.endpoint, "network": self.network}
        settings = getattr(ipv8.community, "CommunitySettings", None)
        self.community = self._class(settings(**given)) if settings else self._class(**given)
        self.address = (HOST, self.endpoint.get_address()[1])
        return self

    def greet(self, other: Node) -> None:
        """Send a signed message, by which the other one knows this node."""
        community = self.community
        packet = community.create_introduction_request(other.address)
        self.endpoint.send(other.address, packet)

    def known(self, other: Node) -> Any:
        """What this node knows the other one as, if it does."""
        key = other.me.public_key.key_to_bin()
        return next(
            (p for p in self.network.verified_peers if p.public_key.key_to_bin() == key), None
        )

    async def close(self) -> None:
        await self.community.unload()
        self.endpoint.close()


async def until(condition: Callable[[], Any], seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.02)
    return bool(condition())


async def neighbours(count: int) -> list[Node]:
    """Nodes of which the first knows all others."""
    nodes = [await Node().open() for _ in range(count)]
    for other in nodes[1:]:
        other.greet(nodes[0])
    assert await until(lambda: len(nodes[0].network.verified_peers) == count - 1)
    return nodes


async def churning(churn: Any, seconds: float) -> None:
    """The churn's steps, as IPv8 takes them, a thirtieth of a second apart."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        churn.take_step()
        await asyncio.sleep(1 / 30)


async def deaf() -> list[int]:
    """A node is deaf for a while: its peers, of three, then, healed, and when one of them left."""
    nodes = await neighbours(4)
    first, churn = nodes[0], RandomChurn(nodes[0].community, **TIMES)
    watchdog = watch(first.endpoint)
    await churning(churn, 1.0)
    seen = []
    DEAF.add(first.address)
    await churning(churn, 5.0)
    seen.append(len(first.network.verified_peers))
    DEAF.clear()
    await churning(churn, 4.0)
    seen.append(len(first.network.verified_peers))
    nodes[1].endpoint.close()
    await churning(churn, 5.0)
    seen.append(len(first.network.verified_peers))
    if watchdog is not None:
        await watchdog.stop()
    for node in nodes:
        await node.close()
    return seen


def watch(endpoint: Any) -> Any:
    """A watchdog in a hurry, where the plugin is on."""
    import tribler_udp_fix

    if not tribler_udp_fix.status().installed:
        return None
    settings = tribler_udp_fix.Settings(
        probe_after=0.3, probe_timeout=0.15, probe_misses=2, retry_cap=1.0, tick=0.1
    )
    watchdog = tribler_udp_fix.Watchdog(endpoint, settings)
    watchdog.start()
    sender: Any = watchdog._around.sender  # type: ignore[union-attr]
    send = sender.send
    # Its probes are lost as well.
    sender.send = lambda address, data: tuple(address[:2]) in DEAF or send(address, data)
    return watchdog


async def asleep() -> list[int]:
    """The machine sleeps for two hours: the peers before, right after it, and a little later."""
    nodes = await neighbours(4)
    first, churn = nodes[0], RandomChurn(nodes[0].community, **TIMES)
    await churning(churn, 1.0)
    seen = [len(first.network.verified_peers)]
    SLEPT[0] += 7200.0
    for seconds in (0.2, 3.0):
        await churning(churn, seconds)
        seen.append(len(first.network.verified_peers))
    for node in nodes:
        await node.close()
    return seen


async def heard_once() -> bool:
    """Whether a peer that was heard once, and never again, is dropped."""
    nodes = await neighbours(2)
    first, churn = nodes[0], RandomChurn(nodes[0].community, **TIMES)
    await asyncio.sleep(0.3)  # what they have to say to each other
    first.known(nodes[1]).last_response = 0  # as it is until a second packet comes
    nodes[1].endpoint.close()
    await churning(churn, 4.0)
    gone = not first.network.verified_peers
    for node in nodes:
        await node.close()
    return gone


async def returned() -> bool:
    """Whether a peer that was removed and returns is credited with what it sends."""
    one, other = await neighbours(2)
    other.greet(one)
    await until(lambda: one.known(other).last_response)
    old = one.known(other)
    one.network.remove_peer(old)
    other.greet(one)
    assert await until(lambda: one.known(other))
    other.greet(one)
    credited = await until(lambda: one.known(other).last_response, 0.5)
    await one.close()
    await other.close()
    return credited


async def removed_by_address() -> bool:
    """Whether a peer whose address was removed can be verified again."""
    one, other = await neighbours(2)
    one.network.remove_by_address(one.known(other).address)
    other.greet(one)
    back = await until(lambda: one.known(other), 0.5)
    await one.close()
    await other.close()
    return back


async def late_pings() -> int:
    """How many of three pings are matched once the global time is past 65,535."""
    one, other = await neighbours(2)
    one.community.update_global_time(70_000)
    peer = one.known(other)
    for _ in range(3):
        one.community.send_ping(peer)
    await until(lambda: len(peer.pings) >= 3, 2.0)
    await one.close()
    await other.close()
    return len(peer.pings)


class Cache(RandomNumberCache):  # type: ignore[misc]
    """A class of caches that is waited for."""

    name = "a cache"


class Timed(RandomNumberCache):  # type: ignore[misc]
    """A cache that knows whether it has timed out."""

    is_over = False

    def on_timeout(self) -> None:
        self.is_over = True


async def waiting() -> str | None:
    """What has become of ``wait_for()`` a class, long after its time-out; None: not there."""
    cache = RequestCache()
    if not hasattr(cache, "wait_for"):
        return None
    future = cache.wait_for(Cache, 1, timeout=0.1)
    await until(future.done, 2.0)
    outcome = "timed out" if future.cancelled() else "waiting"
    await cache.shutdown()
    return outcome


async def passing() -> list[bool]:
    """Which caches are timed out before their time, by a ``passthrough()`` of one task.

    Those of the task, of one that it makes, and of another one; of the task again after a
    ``passthrough()`` within the first, of the other one meanwhile, and of the one that was made
    after the end.
    """
    cache = RequestCache()
    go = [asyncio.Event() for _ in range(4)]

    def added(name: str) -> Any:
        return cache.add(Timed(cache, name))

    async def adds(event: asyncio.Event, name: str) -> Any:
        await event.wait()
        return added(name)

    async def other() -> list[Any]:
        return [await adds(go[0], "other"), await adds(go[1], "other, within both")]

    others = asyncio.ensure_future(other())
    await asyncio.sleep(0)
    with cache.passthrough(timeout=0.1):
        child = asyncio.ensure_future(adds(go[2], "child"))
        late = asyncio.ensure_future(adds(go[3], "late"))
        own = added("own")
        go[0].set()
        go[2].set()
        await asyncio.sleep(0.05)
        with cache.passthrough(Timed, timeout=0.1):
            go[1].set()
            await asyncio.sleep(0.05)
        again = added("again")
        await asyncio.sleep(0)
    go[3].set()
    first, second = await others
    caches = [own, await child, first, again, second, await late]
    await until(lambda: all(each.is_over for each in caches), 0.5)
    seen = [each.is_over for each in caches]
    await cache.shutdown()
    return seen


async def connecting() -> str:
    """What ``connect_peer()`` says of a node that nobody answers for."""
    node, dead = await Node(DHTDiscoveryCommunity).open(), await Node().open()
    await dead.close()
    peer = Peer(dead.me.public_key, dead.address)
    with node.community.request_cache.passthrough(timeout=0.2):
        try:
            outcome = f"{len(await node.community.connect_peer(peer.mid, peer))} connected"
        except Exception as exc:  # whatever is raised is the outcome
            outcome = type(exc).__name__
    await node.close()
    return outcome


async def states() -> dict[str, Any]:
    """The version of pyipv8, and how the repairs stand."""
    import tribler_udp_fix

    repairs = {r.fault: r.state for r in tribler_udp_fix.status().repairs}
    return {"version": VERSION, **{f: repairs[f] for f in (f"F{n}" for n in range(16, 23))}}


async def main(names: list[str]) -> None:
    logging.getLogger("tribler_udp_fix").propagate = False
    logging.disable(logging.WARNING)
    together = [name for name in names if name != "asleep"]  # the clock is everybody's
    found = await asyncio.gather(*(globals()[name]() for name in together))
    outcomes = dict(zip(together, found))
    if "asleep" in names:
        outcomes["asleep"] = await asleep()
    await asyncio.sleep(0.05)
    print(json.dumps(outcomes))


if __name__ == "__main__":
    if sys.platform == "win32" and sys.version_info < (3, 16):
        asyncio.set_event_loop_policy(asyncio.WindowsProactorEventLoopPolicy())
    asyncio.run(main(sys.argv[1:]))
