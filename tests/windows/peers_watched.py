"""A monitor watches two nodes, of which one falls silent and comes back; prints what it saw.

``python peers_watched.py [--rust]``: as JSON, with every pyipv8 from 2.10.0 on, on any platform;
``--rust``: over the endpoint of ipv8-rust-tunnels. The clock is the script's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from types import SimpleNamespace
from typing import Any

from peer_faults import HOST, VERSION, Node, until

from tribler_udp_fix import PeerMonitor, PeerState

TICK = 0.5
ARRIVES = 0.01  # seconds, of the machine, in which an answer on loopback is here


def rust_node() -> Node:
    """A node with a socket of Rust's."""
    import ipv8_rust_tunnels

    node = Node()
    node.endpoint = ipv8_rust_tunnels.Endpoint(0, HOST, worker_threads=2)
    return node


async def watch(rust: bool) -> dict[str, Any]:
    """How the two are said to be doing at first, in silence, and when one is back; and events."""
    first = await (rust_node() if rust else Node()).open()
    others = [await Node().open() for _ in range(2)]
    for other in others:
        other.greet(first)
    assert await until(lambda: len(first.network.verified_peers) == 2)
    now = [1000.0]
    events: list[Any] = []
    ipv8: Any = SimpleNamespace(
        endpoint=first.endpoint, network=first.network, overlays=[first.community]
    )
    monitor = PeerMonitor(ipv8, events.append, clock=lambda: now[0])
    monitor.start()
    seen: dict[str, Any] = {"version": VERSION, "endpoint": type(first.endpoint).__module__}

    async def pass_time(seconds: float) -> None:
        for _ in range(int(seconds / TICK)):
            now[0] += TICK
            monitor.look()
            await asyncio.sleep(ARRIVES)
        await asyncio.sleep(0.1)  # the last answers

    def states() -> list[str]:
        found = [monitor.state(first.known(other)) for other in others]
        return [state.value if isinstance(state, PeerState) else "unknown" for state in found]

    await pass_time(35)
    status = monitor.status()
    seen["at first"] = states()
    seen["asked"], seen["answered"] = status.pings > 0, status.answers > 0
    seen["measured"] = [monitor.rtt(first.known(other)) is not None for other in others]
    silent: Any = others[0].endpoint
    silent.send = lambda *_: None
    await pass_time(65)
    seen["in silence"] = states()
    del silent.send
    others[0].greet(first)
    await pass_time(2)
    seen["at last"] = states()
    ports = [other.address[1] for other in others]
    seen["events"] = [[event.kind.value, ports.index(event.peer.address[1])] for event in events]
    monitor.stop()
    for node in (first, *others):
        await node.community.unload()
        closed = node.endpoint.close()
        if asyncio.iscoroutine(closed) or isinstance(closed, asyncio.Future):
            await closed
    return seen


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rust", action="store_true")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    if sys.platform == "win32" and sys.version_info < (3, 16):
        asyncio.set_event_loop_policy(asyncio.WindowsProactorEventLoopPolicy())
    print(json.dumps(asyncio.run(watch(arguments.rust))))
