"""Measures many IPv8 endpoints on one event loop, busy and quiet, watched and not.

``python endpoints_watched.py ENDPOINTS SECONDS`` prints a line of JSON for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import sys
import time
import tracemalloc

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog

assert sys.platform == "win32"  # for mypy on Linux

BUSY_EVERY = 4.0  # seconds between two datagrams of a busy endpoint
TURNS = 20  # in which all of them have had theirs


@dataclasses.dataclass
class Cost:
    """``cpu`` is a share of one processor, ``memory`` bytes of Python objects for an endpoint."""

    endpoints: int
    busy: bool
    watched: bool
    cpu: float
    memory: float
    probes: int
    heard: int


async def measure(endpoints: int, busy: bool, watched: bool, seconds: float) -> Cost:
    """Open so many endpoints, with one watchdog for them or none, and let them be."""
    from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint

    made = [UDPEndpoint(0, "127.0.0.1") for _ in range(endpoints)]
    for endpoint in made:
        assert await endpoint.open()
    tracemalloc.start()
    watchdog = Watchdog(made, Settings()) if watched else None
    if watchdog is not None:
        watchdog.start()
    memory = tracemalloc.get_traced_memory()[0] / endpoints
    tracemalloc.stop()
    addresses = [endpoint.get_address() for endpoint in made]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        cpu, start, turn = time.process_time(), time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            for address in addresses[turn % TURNS :: TURNS] if busy else ():
                peer.sendto(b"message", address)
            turn += 1
            await asyncio.sleep(BUSY_EVERY / TURNS)
        cpu, took = time.process_time() - cpu, time.perf_counter() - start
    probes = 0
    if watchdog is not None:
        probes = sum(status.probes["sent"] for status in watchdog.status().endpoints)
        await watchdog.stop()
    heard = sum(endpoint.bytes_down for endpoint in made)
    for endpoint in made:
        endpoint.close()
    await asyncio.sleep(0.5)
    return Cost(endpoints, busy, watched, cpu / took, memory, probes, heard)


def main(endpoints: int, seconds: float) -> None:
    assert sys.platform == "win32"
    tribler_udp_fix.install()
    loop = asyncio.ProactorEventLoop()
    asyncio.set_event_loop(loop)
    with contextlib.closing(loop):
        for busy in (True, False):
            for watched in (False, True):
                cost = loop.run_until_complete(measure(endpoints, busy, watched, seconds))
                print(json.dumps(dataclasses.asdict(cost)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
