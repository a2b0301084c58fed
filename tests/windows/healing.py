"""How long an endpoint of each kind stays deaf after each fault, with the default settings.

All are in one process: IPv8's and a plain server on the Proactor, plain servers on the Selector.

Run inside a Windows Python it prints the outcomes as JSON, one line each.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, AsyncIterator, Callable, Collection, ContextManager, Iterator, Tuple

from communities import service
from healing_parties import Ipv8Service, PlainServer

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

# The defaults, but for what is not watched, or not mended, unless somebody says so.
SETTINGS = Settings(rebind_rust=True, watch="all")

SHORT = 0.05  # seconds, at most, that a rebind leaves an endpoint without a socket

Injury = Callable[[Any], ContextManager[Any]]  # of a party of healing_parties.py
Case = Tuple[str, str]  # a fault, and the endpoint that has it


PROACTOR, SELECTOR, RUST = "Proactor", "Selector", "Rust"
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
    kept: bool
    gap: float

    @property
    def nothing_lost(self) -> bool:
        """It hears again, at the same port, through the same transport; no send was lost."""
        # asyncio drops what is sent after it has given up and before it says so.
        lost = self.lost - (self.fault == "socket lost")
        return self.deaf is not None and lost <= 0 and self.kept

    def in_time(self, allowance: float = 1.0) -> bool:
        """Within *allowance* times the promised time, and the short one without a socket."""
        short = self.gap < SHORT * allowance or self.fault == PORT_TAKEN
        return self.deaf is not None and self.deaf <= PROMISED[self.fault] * allowance and short


def endpoints() -> dict[str, Callable[[], Any]]:
    """A party with each kind of endpoint, by its name."""
    from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint
    from ipv8_rust_tunnels import Endpoint as RustEndpoint

    made: dict[str, Callable[[], Any]] = {
        "UDPv4": lambda: service([], UDPEndpoint(0, "127.0.0.1")),
        "UDPv6": lambda: service([], UDPv6Endpoint(0, "::1")),
        "Dispatcher": lambda: service(["UDPIPv4", "UDPIPv6"]),
        "Statistics": lambda: service(["UDPIPv4"], enable_statistics=True),
        RUST: lambda: service([], RustEndpoint(0, "127.0.0.1")),
    }
    parties: dict[str, Callable[[], Any]] = {
        name: functools.partial(Ipv8Service, make) for name, make in made.items()
    }
    for loop in (PROACTOR, SELECTOR):
        parties[f"asyncio, {loop}, Watchdog()"] = lambda: PlainServer(
            "127.0.0.1", own_watchdog=True
        )
        parties[f"asyncio, {loop}, watch=all"] = lambda: PlainServer("::1", own_watchdog=False)
    return parties


def loop_of(name: str) -> str:
    """On which kind of event loop an endpoint is."""
    return SELECTOR if SELECTOR in name else PROACTOR


@contextlib.contextmanager
def peers_that_left(party: Any) -> Iterator[None]:
    """It answers twenty peers that are gone."""
    family = socket.AF_INET6 if ":" in party.address[0] else socket.AF_INET
    for _ in range(20):
        with departed_peer(family) as address:
            party.send(address[:2], b"an answer")
    yield


@contextlib.contextmanager
def socket_lost(party: Any) -> Iterator[None]:
    """Its transport gives up."""
    with party.socket_lost():
        yield


@contextlib.contextmanager
def completion_lost(party: Any) -> Iterator[None]:
    """Its receive is lost, and the next is as good as any."""
    with lost_completion(party.target):
        yield


@contextlib.contextmanager
def reader_dead(party: Any) -> Iterator[None]:
    """Its reader is dead."""
    with dead_reader(party.target):
        yield


@contextlib.contextmanager
def needs_a_socket(party: Any) -> Iterator[None]:
    """Its receive is lost until there is another socket."""
    with lost_completion(party.target, until="rebind"):
        yield


@contextlib.contextmanager
def rust_deaf(party: Any) -> Iterator[None]:
    """The same, for the Rust endpoint."""
    with deaf_rust_endpoint(party.target):
        yield


@contextlib.contextmanager
def port_taken(party: Any) -> Iterator[None]:
    """The same, and somebody takes the port during the rebind, for a while."""
    with taken_port(party.target) as thief, needs_a_socket(party):
        loop = asyncio.get_running_loop()

        def watch() -> None:
            if thief.taken:
                loop.call_later(TAKEN, thief.release)
            else:
                loop.call_later(PAUSE, watch)

        watch()
        yield


SILENT: dict[str, Injury] = {
    "lost completion": completion_lost,
    "lost completion, only another socket helps": needs_a_socket,
    PORT_TAKEN: port_taken,
}
TRACED: dict[str, Injury] = {
    "peers that left": peers_that_left,
    "dead reader": reader_dead,
    "socket lost": socket_lost,
}
KINDS = (TRACED, SILENT, {RESUMED: needs_a_socket})


class Resume:
    """The moment at which the machine wakes up: when all who are hurt are ready, and quiet."""

    def __init__(self, scenes: int) -> None:
        self._hurt = threading.Semaphore(0)
        self._scenes = scenes
        self._done = threading.Event()

    @contextlib.contextmanager
    def jump(self) -> Iterator[None]:
        """Let all sleep and resume, once each is hurt."""
        for _ in range(self._scenes):
            assert self._hurt.acquire(timeout=PATIENCE)
        time.sleep(1.0)
        with clock_jump(3600):
            self._done.set()
            yield

    async def wait(self) -> None:
        """Tell that one is hurt, and wait for the resume."""
        self._hurt.release()
        await _until(self._done.is_set, PATIENCE)


class Scene:
    """One party, one peer that talks with it, and one fault."""

    def __init__(self, name: str, make: Callable[[], Any], fault: str, injury: Injury) -> None:
        self.name, self.fault, self.injury = name, fault, injury
        self.party = make()
        self.said = self.told = 0
        self.answers: set[bytes] = set()

    async def talk(self) -> None:
        """Both talk, until cancelled: what the peer says is numbered, and what it is told."""
        self._take_answers()
        self.peer.sendto(self.party.wire(b"%d" % self.said), self.address)
        self.said += 1
        self.party.say(self.peer.getsockname()[:2], b"%d" % self.told)
        self.told += 1

    async def play(self, resume: Resume) -> Outcome:
        party = self.party
        await party.start()
        self.address = party.address
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self.peer = socket.socket(family, socket.SOCK_DGRAM)
        self.peer.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.peer.setblocking(False)
        async with _again(self.talk):
            await _until(lambda: party.heard)
            await asyncio.sleep(1.0)
            with self.injury(party):
                loop = asyncio.get_running_loop()
                await asyncio.sleep(0)
                first, start = self.said, loop.time()
                if self.fault == RESUMED:
                    await resume.wait()
                    start = loop.time()
                healed = await _until(lambda: self._heard_since(first), PATIENCE)
                deaf = loop.time() - start if healed else None
                await asyncio.sleep(1.0)
        await asyncio.sleep(0.3)
        self._take_answers()
        kept = party.address == self.address and party.same_transport
        rebinds = [event for event in party.history() if event.kind.value == "rebound"]
        gap = max((event.seconds for event in rebinds), default=0.0)
        self.peer.close()
        await party.stop()
        lost = self.told - len(self.answers)
        return Outcome(self.fault, self.name, deaf, self.told, lost, kept, gap)

    def _take_answers(self) -> None:
        while True:
            try:
                self.answers.add(self.peer.recv(2000)[self.party.header :])
            except ConnectionResetError:  # what it said met a port without a socket
                continue
            except BlockingIOError:
                return

    def _heard_since(self, first: int) -> bool:
        return any(int(message) >= first for message in self.party.heard[-3:])


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
        if name != RUST or injury is needs_a_socket
    ]


def heal(cases: Collection[Case]) -> list[Outcome]:
    """What each case comes to, those with faults of one kind at the same time.

    Call it with the plugin installed, ``rebind_rust`` and ``watch=all``.
    """
    made = endpoints()
    outcomes: list[Outcome] = []
    for faults in KINDS:
        chosen = [case for case in cases if case[0] in faults]
        resume = Resume(len(chosen))

        def plays(
            loop: str, chosen: Any = chosen, resume: Any = resume, faults: Any = faults
        ) -> Any:
            return [
                Scene(name, made[name], fault, rust_deaf if name == RUST else faults[fault]).play(
                    resume
                )
                for fault, name in chosen
                if loop_of(name) == loop
            ]

        with ThreadPoolExecutor(2) as both:
            running = [both.submit(_run, loop, plays) for loop in (PROACTOR, SELECTOR)]
            with resume.jump() if RESUMED in faults and chosen else contextlib.nullcontext():
                found = [outcome for each in running for outcome in each.result()]
        order = {case: place for place, case in enumerate(chosen)}
        outcomes += sorted(found, key=lambda outcome: order[outcome.fault, outcome.endpoint])
    return outcomes


def _run(kind: str, plays: Callable[[str], Any]) -> list[Outcome]:
    """Let all the scenes of one kind of event loop play, on one of these."""
    assert sys.platform == "win32"
    loop = asyncio.ProactorEventLoop() if kind == PROACTOR else asyncio.SelectorEventLoop()
    asyncio.set_event_loop(loop)

    async def all_of_them() -> list[Outcome]:
        return list(await asyncio.gather(*plays(kind)))

    try:
        return loop.run_until_complete(all_of_them())
    finally:
        loop.run_until_complete(asyncio.sleep(0.1))  # the transports say good-bye
        loop.close()
        asyncio.set_event_loop(None)


def main() -> None:
    tribler_udp_fix.install(SETTINGS)
    for outcome in heal(every_case()):
        as_promised = outcome.nothing_lost and outcome.in_time()
        row = {**dataclasses.asdict(outcome), "as_promised": as_promised}
        print(json.dumps(row))


if __name__ == "__main__":
    main()
