"""How long an endpoint of each kind stays deaf after each fault, with the default settings.

Run inside a Windows Python it prints the outcomes as JSON, one line each.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import sys
from typing import Any, AsyncIterator, Callable, Collection, ContextManager, Iterator, Tuple

from communities import service

import tribler_udp_fix
from tribler_udp_fix import Settings
from tribler_udp_fix.testing import (
    clock_jump,
    dead_reader,
    deaf_rust_endpoint,
    departed_peer,
    lost_completion,
    taken_port,
)

PAUSE = 0.1  # seconds between two messages, each way
PATIENCE = 30.0  # seconds to wait for a message to be heard again
TAKEN = 2.0  # seconds that somebody else keeps the port

SHORT = 0.05  # seconds, at most, that a rebind leaves an endpoint without a socket

Injury = Callable[[Any], ContextManager[Any]]
Case = Tuple[str, str]  # a fault, and the endpoint that has it


PORT_TAKEN = f"the same, and the port is taken for {TAKEN:g} s"
RESUMED = "sleep and resume, only another socket helps"

# Seconds until the next message is heard, by the fault. What leaves a trace is seen at the next of
# two looks a second; a port that is taken is tried again after 1 and 2 seconds.
PROMISED = {
    "peers that left": 1.0,
    "dead reader": 1.5,
    "socket lost": 1.5,
    "lost completion": 15.0,
    "lost completion, only another socket helps": 15.0,
    PORT_TAKEN: 15.0 + TAKEN + 2.0,
    RESUMED: 3.0,
}


@dataclasses.dataclass
class Outcome:
    """What one fault did to one endpoint. ``deaf`` is None where it never heard again."""

    fault: str
    endpoint: str
    deaf: float | None
    sent: int
    lost: int
    port_kept: bool
    gap: float

    @property
    def nothing_lost(self) -> bool:
        """It hears again, at the same port, and no send was lost."""
        # asyncio drops what is sent after it has given up and before it says so.
        lost = self.lost - (self.fault == "socket lost")
        return self.deaf is not None and lost <= 0 and self.port_kept

    @property
    def in_time(self) -> bool:
        """Within the promised time, and without a socket for a short one only."""
        short = self.gap < SHORT or self.fault == PORT_TAKEN
        return self.deaf is not None and self.deaf <= PROMISED[self.fault] and short


def endpoints() -> dict[str, Callable[[], Any]]:
    """An IPv8 instance with each kind of endpoint, by its name."""
    from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint
    from ipv8_rust_tunnels import Endpoint as RustEndpoint

    return {
        "UDPv4": lambda: service([], UDPEndpoint(0, "127.0.0.1")),
        "UDPv6": lambda: service([], UDPv6Endpoint(0, "::1")),
        "Dispatcher": lambda: service(["UDPIPv4", "UDPIPv6"]),
        "Statistics": lambda: service(["UDPIPv4"], enable_statistics=True),
        "Rust": lambda: service([], RustEndpoint(0, "127.0.0.1")),
    }


@contextlib.contextmanager
def peers_that_left(leaf: Any) -> Iterator[None]:
    """It answers twenty peers that are gone."""
    for _ in range(20):
        with departed_peer(getattr(leaf, "SOCKET_FAMILY", socket.AF_INET)) as address:
            leaf.send(address[:2], b"an answer")
    yield


@contextlib.contextmanager
def socket_lost(leaf: Any) -> Iterator[None]:
    """Its transport gives up, as after WSAENOTSOCK."""
    leaf._transport.abort()
    yield


@contextlib.contextmanager
def needs_a_socket(leaf: Any) -> Iterator[None]:
    """Its receive is lost until there is another socket."""
    with lost_completion(leaf, until="rebind"):
        yield


@contextlib.contextmanager
def port_taken(leaf: Any) -> Iterator[None]:
    """The same, and somebody takes the port during the rebind, for a while."""
    with taken_port(leaf) as thief, needs_a_socket(leaf):
        loop = asyncio.get_running_loop()

        def watch() -> None:
            if thief.taken:
                loop.call_later(TAKEN, thief.release)
            else:
                loop.call_later(PAUSE, watch)

        watch()
        yield


SILENT: dict[str, Injury] = {
    "lost completion": lost_completion,
    "lost completion, only another socket helps": needs_a_socket,
    PORT_TAKEN: port_taken,
}
TRACED: dict[str, Injury] = {
    "peers that left": peers_that_left,
    "dead reader": dead_reader,
    "socket lost": socket_lost,
}
KINDS = (TRACED, SILENT, {RESUMED: needs_a_socket})


class Scene:
    """One IPv8 instance, one peer that talks with it, and one fault."""

    def __init__(self, name: str, make: Callable[[], Any], fault: str, injury: Injury) -> None:
        self.name, self.fault, self.injury = name, fault, injury
        self.ipv8 = make()
        self.community = self.ipv8.overlays[0]
        self.said = self.told = 0
        self.answers: set[bytes] = set()

    async def talk(self) -> None:
        """Both talk, until cancelled: what the peer says is numbered, and what it is told."""
        self._take_answers()
        self.peer.sendto(self.community.message(b"%d" % self.said), self.address)
        self.said += 1
        self.community.say(self.peer.getsockname()[:2], b"%d" % self.told)
        self.told += 1

    async def play(self, resumed: asyncio.Event) -> Outcome:
        await self.ipv8.start()
        self.leaf = leaf = _leaf(self.ipv8.endpoint)
        self.address = leaf.get_address()[:2]
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self.peer = socket.socket(family, socket.SOCK_DGRAM)
        self.peer.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.peer.setblocking(False)
        async with _again(self.talk):
            await _until(lambda: self.community.heard)
            await asyncio.sleep(1.0)
            with self.injury(leaf):
                loop = asyncio.get_running_loop()
                await asyncio.sleep(0)
                first, start = self.said, loop.time()
                if self.fault == RESUMED:
                    await resumed.wait()
                    start = loop.time()
                healed = await _until(lambda: self._heard_since(first), PATIENCE)
                deaf = loop.time() - start if healed else None
                await asyncio.sleep(1.0)
        await asyncio.sleep(0.3)
        self._take_answers()
        kept = leaf.get_address()[:2] == self.address
        gap = max((event.seconds for event in self._rebinds()), default=0.0)
        self.peer.close()
        await self.ipv8.stop()
        lost = self.told - len(self.answers)
        return Outcome(self.fault, self.name, deaf, self.told, lost, kept, gap)

    def _take_answers(self) -> None:
        while True:
            try:
                self.answers.add(self.peer.recv(2000)[23:])
            except ConnectionResetError:  # what it said met a port without a socket
                continue
            except BlockingIOError:
                return

    def _heard_since(self, first: int) -> bool:
        return any(int(message) >= first for message in self.community.heard[-3:])

    def _rebinds(self) -> list[Any]:
        from tribler_udp_fix._watchdog._ipv8_service import watchdog_of

        watchdog = watchdog_of(self.ipv8)
        assert watchdog is not None
        return [event for event in watchdog.status().history if event.kind.value == "rebound"]


def _leaf(endpoint: Any) -> Any:
    """The first endpoint with a socket."""
    from tribler_udp_fix._ipv8._leaves import leaves

    found = leaves(endpoint)
    return (*found.udp, *found.rust)[0]


@contextlib.asynccontextmanager
async def _again(step: Callable[[], Any]) -> AsyncIterator[None]:
    async def run() -> None:
        while True:
            await step()
            await asyncio.sleep(PAUSE)

    task = asyncio.ensure_future(run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _until(condition: Callable[[], Any], seconds: float = 20.0) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True


def every_case() -> list[Case]:
    """Every fault on every endpoint that can have it."""
    return [
        (fault, name)
        for faults in KINDS
        for name in endpoints()
        for fault, injury in faults.items()
        if name != "Rust" or injury is needs_a_socket
    ]


async def heal(cases: Collection[Case]) -> list[Outcome]:
    """What each case comes to, those with faults of one kind at the same time."""
    made = endpoints()
    outcomes: list[Outcome] = []
    for faults in KINDS:
        resumed = asyncio.Event()
        scenes = [
            Scene(name, made[name], fault, deaf_rust_endpoint if name == "Rust" else faults[fault])
            for fault, name in cases
            if fault in faults
        ]
        plays = [asyncio.ensure_future(scene.play(resumed)) for scene in scenes]
        if scenes and RESUMED in faults:
            await asyncio.sleep(3.0)
            with clock_jump(3600):
                resumed.set()
                outcomes += await asyncio.gather(*plays)
        else:
            outcomes += await asyncio.gather(*plays)
    return outcomes


def main() -> None:
    assert sys.platform == "win32"
    tribler_udp_fix.install(Settings(rebind_rust=True))
    loop = asyncio.ProactorEventLoop()
    asyncio.set_event_loop(loop)
    for outcome in loop.run_until_complete(heal(every_case())):
        as_promised = outcome.nothing_lost and outcome.in_time
        row = {**dataclasses.asdict(outcome), "as_promised": as_promised}
        print(json.dumps(row))


if __name__ == "__main__":
    main()
