"""Twelve IPv8 nodes that walk and churn: one is deaf for 90 s, or all sleep for two hours.

``python twelve.py alone|plugin`` prints a line of JSON for each of the two.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import time
from typing import Any, Iterator

import pytest

import tribler_udp_fix
from tribler_udp_fix import Settings
from tribler_udp_fix.testing import clock_jump, lost_completion, taken_port

NODES = 12
DEAF = 90.0  # seconds
SLEPT = 7200.0  # seconds
AFTER = 40.0  # seconds that they are looked at afterwards
TICK = 0.1

WALK = {"strategy": "RandomWalk", "peers": 20, "init": {"timeout": 3.0}}
# As IPv8's own configuration has it.
CHURN = {
    "strategy": "RandomChurn",
    "peers": -1,
    "init": {"sample_size": 8, "ping_interval": 10.0, "inactive_time": 27.5, "drop_time": 57.5},
}


def node() -> Any:
    """An IPv8 instance with a discovery community, not started."""
    from ipv8.keyvault.crypto import default_eccrypto
    from ipv8_service import IPv8

    key = default_eccrypto.generate_key("curve25519").key_to_bin()
    overlay = {
        "class": "DiscoveryCommunity",
        "key": "me",
        "walkers": [WALK, CHURN],
        "bootstrappers": [],
        "initialize": {},
        "on_start": [],
    }
    return IPv8(
        {
            "interfaces": [{"interface": "UDPIPv4", "ip": "127.0.0.1", "port": 0}],
            "keys": [{"alias": "me", "bin": base64.b64encode(key).decode(), "file": ""}],
            "logger": {"level": "ERROR"},
            "working_directory": ".",
            "walker_interval": 0.5,
            "overlays": [overlay],
        }
    )


class Swarm:
    """The nodes, and what each knows."""

    async def start(self) -> None:
        self.nodes = [node() for _ in range(NODES)]
        for each in self.nodes:
            await each.start()
        first = self._endpoint(0).get_address()
        for each in self.nodes[1:]:
            each.overlays[0].walk_to(("127.0.0.1", first[1]))
        for _ in range(600):
            if min(self.known()) == NODES - 1:
                return
            await asyncio.sleep(TICK)
        raise AssertionError(f"they do not find each other: {self.known()}")

    async def stop(self) -> None:
        for each in self.nodes:
            await each.stop()

    def known(self) -> list[int]:
        """How many peers each has."""
        return [len(each.network.verified_peers) for each in self.nodes]

    def heard_by(self, number: int, since: float) -> int:
        """From how many peers a node has heard since then, by ``time.time()``."""
        peers = self.nodes[number].network.verified_peers
        return sum((peer.last_response or 0) > since for peer in peers)

    def target(self, number: int) -> Any:
        """A node's endpoint with a socket."""
        return next(iter(self._endpoint(number).interfaces.values()))

    def _endpoint(self, number: int) -> Any:
        return self.nodes[number].endpoint


async def deaf(swarm: Swarm, plugin: bool) -> dict[str, Any]:
    """One is deaf for 90 s, since somebody else has its port; without the plugin for good."""
    endpoint = swarm.target(1)
    fewest = NODES
    with contextlib.ExitStack() as stack:
        thief = stack.enter_context(taken_port(endpoint)) if plugin else None
        stack.enter_context(lost_completion(endpoint, until="rebind"))
        end = time.monotonic() + DEAF
        while time.monotonic() < end:
            fewest = min(fewest, swarm.known()[1])
            await asyncio.sleep(TICK)
        if thief is not None:
            thief.release()
            while not endpoint._transport.has_socket:
                await asyncio.sleep(0.01)
        return await _afterwards(swarm, [1], fewest)


async def asleep(swarm: Swarm, plugin: bool) -> dict[str, Any]:
    """All machines sleep for two hours: for the watchdogs, and for IPv8, which reads the clock."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_later(SLEPT))
        if plugin:
            stack.enter_context(clock_jump(SLEPT))
        return await _afterwards(swarm, list(range(NODES)), NODES)


@contextlib.contextmanager
def _later(seconds: float) -> Iterator[None]:
    real = time.time

    def later() -> float:
        return real() + seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", later)
        for name, module in list(sys.modules.items()):  # those that have it by its own name
            if name.startswith("ipv8.") and getattr(module, "time", None) is real:
                patch.setattr(module, "time", later)
        yield


async def _afterwards(swarm: Swarm, numbers: list[int], fewest: int) -> dict[str, Any]:
    began, since, heard = time.monotonic(), time.time(), None
    while time.monotonic() < began + AFTER:
        known = swarm.known()
        fewest = min(fewest, *(known[number] for number in numbers))
        if heard is None and all(swarm.heard_by(n, since) == NODES - 1 for n in numbers):
            heard = time.monotonic() - began
        await asyncio.sleep(TICK)
    known = swarm.known()
    return {"fewest": fewest, "at the end": min(known[n] for n in numbers), "heard": heard}


async def play(plugin: bool) -> None:
    """Print a line for each fault, in a swarm of its own."""
    for fault in (deaf, asleep):
        swarm = Swarm()
        await swarm.start()
        print(json.dumps({"fault": fault.__name__, **await fault(swarm, plugin)}), flush=True)
        await swarm.stop()


if __name__ == "__main__":
    with_plugin = sys.argv[1] == "plugin"
    if with_plugin:
        # The endpoint is to wait for its own port, so that it stays deaf for as long as it shall.
        tribler_udp_fix.install(Settings(allow_port_change="never"))
    asyncio.run(play(with_plugin))
