"""All of ours around what pyipv8's own tests make: ``suite.py --everything`` does it first.

The environment has the settings on. Here each cache of a ``RequestCache`` is a ``Retrying`` that
asks as soon as it is added, and the peers of each mock node are monitored, with a look at them a
hundred times a second. The monitor's times are the real ones: a test is over before anybody is
due, and so nothing is sent that a test would not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import types
from typing import Any, Iterator

import ipv8.requestcache as requestcache
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.lazy_payload import VariablePayload
from ipv8.peer import Peer

import tribler_udp_fix
from tribler_udp_fix import PeerMonitor, Retrying
from tribler_udp_fix._peers import _monitor

LOOK = 0.01  # seconds between two looks of a monitor
CACHES = ("NumberCache", "RandomNumberCache", "RandomNumberCacheWithName")

counts = dict.fromkeys(("asked", "monitors", "looks", "heard"), 0)


class Payload(VariablePayload):  # type: ignore[misc]
    msg_id = 1


class Asker:
    """As much of a community as asking takes: the tests have their caches without one."""

    def __init__(self, request_cache: Any) -> None:
        self.request_cache = request_cache
        self.endpoint = self

    def is_open(self) -> bool:
        return True

    def send(self, _address: Any, _packet: bytes) -> None:
        counts["asked"] += 1

    def ezr_pack(self, *_args: Any, **_named: Any) -> bytes:
        return b"?"


class Counted(PeerMonitor):
    """A monitor of a mock node that counts what it does."""

    def look(self) -> None:
        counts["looks"] += 1
        super().look()

    def _hear(self, source: Any, data: bytes, now: float) -> None:
        counts["heard"] += 1
        super()._hear(source, data, now)


@contextlib.contextmanager
def put_around() -> Iterator[None]:
    """Do it, for the tests, and what they test, that are imported within."""
    assert tribler_udp_fix.status().installed
    stock = {name: getattr(requestcache, name) for name in CACHES if hasattr(requestcache, name)}
    for name, cls in stock.items():  # for the classes that are about to be derived from them
        setattr(requestcache, name, type(name, (Retrying, cls), {}))
    _ask_when_added()
    _monitor_mock_nodes()
    yield
    for name, cls in stock.items():
        setattr(requestcache, name, cls)


def _ask_when_added() -> None:
    stock_add = requestcache.RequestCache.add
    peer = Peer(default_eccrypto.generate_key("very-low").pub(), ("127.0.0.1", 9))

    def add(requests: Any, cache: Any) -> Any:
        added = stock_add(requests, cache)
        if isinstance(added, Retrying):
            if not hasattr(requests, "asker"):
                requests.asker = Asker(requests)
            added.ask(requests.asker, peer, Payload())
        return added

    requestcache.RequestCache.add = add


def _monitor_mock_nodes() -> None:
    from ipv8.test.mocking.ipv8 import MockIPv8

    _monitor.TICK = LOOK
    stock_init, stock_stop = MockIPv8.__init__, MockIPv8.stop

    def init(node: Any, *args: Any, **named: Any) -> None:
        stock_init(node, *args, **named)
        watched = types.SimpleNamespace(
            endpoint=node.endpoint,
            network=node.network,
            overlays=[overlay for overlay in (node.overlay, node.dht) if overlay is not None],
        )
        node.monitor = Counted(watched)
        asyncio.get_event_loop().call_soon(node.monitor.start)  # of a test that is being set up
        counts["monitors"] += 1

    async def stop(node: Any) -> None:
        node.monitor.stop()
        await stock_stop(node)

    MockIPv8.__init__, MockIPv8.stop = init, stop
