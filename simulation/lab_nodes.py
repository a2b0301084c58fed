"""Real IPv8 nodes that come and go as a schedule says: ``python lab_nodes.py SCHEDULE START``.

Runs in a Windows Python of the lab, with or without the plugin, as SCHEDULE (JSON, made by
against_lab.py) says; the nodes of this Python's slots are here, the others in another process.
IPv8's times, and the schedule's, are divided by *factor*. A node that leaves closes its socket, and
what is sent there earns ICMP errors; or it leaves the socket open and says nothing, where the
schedule says that its departure earns none. Prints a line of JSON for each session.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import sys
import threading
import time
from typing import Any

from ipv8.community import CommunitySettings
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.interfaces.endpoint import EndpointListener
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
from ipv8.peer import Peer
from ipv8.peerdiscovery.churn import RandomChurn
from ipv8.peerdiscovery.community import DiscoveryCommunity
from ipv8.peerdiscovery.network import Network

HOST = "127.0.0.1"
STEP = 0.5  # as in the model, seconds of the swarm
CHURN = {"ping_interval": 10.0, "inactive_time": 27.5, "drop_time": 57.5}
PROBE = b"can this node hear?".ljust(32)
PROBE_EVERY, DEAF_AFTER = 0.2, 1.5  # real seconds
WHO, THERE = b"who is there?".ljust(32), b"somebody is there:".ljust(32)


class Lab:
    """The schedule, and what everybody here shares."""

    def __init__(self, schedule: dict[str, Any], start: float) -> None:
        self.schedule, self.start = schedule, start
        self.factor: float = schedule["factor"]
        self.sessions = [session for slot in schedule["slots"] for session in slot]
        self.closes = {s["port"]: s["end"] for s in self.sessions if s["earns"]}
        self.helper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.bootstrap = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.bootstrap.bind((HOST, 0))

    def now(self) -> float:
        """Seconds of the swarm since its start."""
        return (time.time() - self.start) * self.factor

    def real(self, seconds: float) -> float:
        return seconds / self.factor

    def introduce(self) -> None:
        """A bootstrap server, in a thread: it answers with anybody who is online."""
        while True:
            try:
                data, address = self.bootstrap.recvfrom(2048)
            except OSError:
                continue  # an asker that has gone
            now = self.now()
            online = [
                s["port"]
                for s in self.sessions
                if s["start"] <= now < s["end"] and s["port"] != address[1]
            ]
            if data == WHO and online:
                answer = THERE + str(random.choice(online)).encode()
                self.bootstrap.sendto(answer, address)


class Endpoint(UDPEndpoint):  # type: ignore[misc]
    """Notes when something is sent to an address that earns an error."""

    lab: Lab
    errors: list[float]

    def send(self, socket_address: Any, packet: bytes) -> None:
        if self.lab.closes.get(socket_address[1], float("inf")) < self.lab.now():
            self.errors.append(self.lab.now())
        super().send(socket_address, packet)


class Node(EndpointListener):  # type: ignore[misc]
    """One session of one slot."""

    def __init__(self, lab: Lab, session: dict[str, Any]) -> None:
        self.lab, self.session = lab, session
        self.endpoint = Endpoint(session["port"], HOST)
        self.endpoint.lab, self.endpoint.errors = lab, []
        super().__init__(self.endpoint)
        self.heard = lab.now()
        self.neighbours: list[tuple[float, int]] = []
        self.there = False

    async def open(self) -> None:
        assert await self.endpoint.open()
        assert self.endpoint.get_address()[1] == self.session["port"]
        settings = CommunitySettings(
            my_peer=Peer(default_eccrypto.generate_key("curve25519")),
            endpoint=self.endpoint,
            network=Network(),
            max_peers=self.lab.schedule["most"],
        )
        self.community = DiscoveryCommunity(settings)
        times = {name: self.lab.real(seconds) for name, seconds in CHURN.items()}
        self.churn = RandomChurn(self.community, **times)
        self.endpoint.add_listener(self)
        self.heard = self.lab.now()
        self.there = True

    def on_packet(self, packet: tuple[Any, bytes], warn_unknown: bool = True) -> None:
        data = packet[1]
        if data == PROBE:
            self.heard = self.lab.now()
        elif data.startswith(THERE):
            address = (HOST, int(data[len(THERE) :]))
            if not self.community.network.get_verified_by_address(address):
                request = self.community.create_introduction_request(address)
                self.endpoint.send(address, request)

    def step(self) -> None:
        self.churn.take_step()
        neighbours = len(self.community.network.verified_peers)
        self.neighbours.append((self.lab.now(), neighbours))
        if neighbours < self.lab.schedule["neighbours"]:
            self.endpoint.send(self.lab.bootstrap.getsockname(), WHO)

    def probe(self) -> None:
        self.lab.helper.sendto(PROBE, (HOST, self.session["port"]))

    async def leave(self) -> None:
        self.there = False
        self.told(self.lab.now())
        await self.community.unload()
        if self.session["earns"]:
            self.endpoint.close()

    def told(self, end: float) -> None:
        """The account of this session."""
        deaf = self.heard if end - self.heard > DEAF_AFTER * self.lab.factor else None
        # It may have been deaf since right after the last probe that it heard.
        until = end if deaf is None else deaf + PROBE_EVERY * self.lab.factor
        errors = [at for at in self.endpoint.errors if at <= until]
        row = {"slot": self.session["slot"], "start": self.session["start"], "end": end}
        tables = [count for at, count in self.neighbours if at <= (deaf or end)]
        row.update(deaf=deaf, errors=len(errors), neighbours=sum(tables), steps=len(tables))
        print(json.dumps(row), flush=True)


async def run(lab: Lab, mine: list[dict[str, Any]]) -> None:
    """Every session of the slots of this process."""
    threading.Thread(target=lab.introduce, daemon=True).start()
    end, nodes = lab.schedule["seconds"], [Node(lab, session) for session in mine]

    async def live(node: Node) -> None:
        await asyncio.sleep(max(0.0, lab.real(node.session["start"] - lab.now())))
        await node.open()
        while lab.now() < min(node.session["end"], end):
            node.step()
            await asyncio.sleep(lab.real(STEP))
        if node.session["end"] < end:
            await node.leave()
        else:
            node.told(lab.now())

    async def probe() -> None:
        while True:
            for node in nodes:
                if node.there:
                    node.probe()
            await asyncio.sleep(PROBE_EVERY)

    probing = asyncio.ensure_future(probe())
    await asyncio.gather(*(live(node) for node in nodes if node.session["start"] < end))
    probing.cancel()


def main(file: str, start: float) -> None:
    with open(file, encoding="utf-8") as stream:
        schedule = json.load(stream)
    if schedule["plugin"]:
        import tribler_udp_fix

        tribler_udp_fix.install()
    logging.disable(logging.CRITICAL)
    version = "{}.{}".format(*sys.version_info)
    lab = Lab(schedule, start)
    mine = [session for session in lab.sessions if session["python"] == version]
    assert time.time() < start, "the processes were slow to start"
    asyncio.run(run(lab, mine))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
    sys.stdout.flush()
    import os

    os._exit(0)  # sockets of those who left are still open, and nobody waits for them
