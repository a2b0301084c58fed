"""Random sequences of what happens to a datagram transport, and what its protocol and peer see.

A sequence is told by its number alone; compared.py tells how two transports' differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import Any, Callable, Iterator, NamedTuple

from udp import FullSocket, Recorder, full_socket, plain_socket

KINDS = ("bound", "connected", "to one address")
ODD = (
    ("127.0.0.1", 70_000),
    ("127.0.0.1", -1),
    ("127.0.0.1", 9, 0, 0),
    "127.0.0.1",
    ("127.0.0.1",),
)
NOBODY = ("127.0.0.1", 1)  # a port that no socket is given which asks for any
TOO_LARGE = b"x" * 70_000
LIMIT = 1000  # datagrams that may wait while a socket is replaced
PORT_UNREACHABLE, MESSAGE_SIZE = 10054, 10040

# What may happen, and how often.
STEPS = {
    "send": 12,
    "send to nobody": 4,
    "send too much": 2,
    "send oddly": 2,
    "send to a name": 1,
    "send nothing": 1,
    "be full": 3,
    "limit": 2,
    "hear": 8,
    "hear nothing": 1,
    "hear and answer": 2,
    "hear and raise": 1,
    "peer leaves for a while": 1,
    "turn": 8,
    "rearm": 3,
    "rebind": 1,
    "settle": 4,
}
LATE = b"late"
ENDS = ("close", "abort", "close, then abort", "close, then send", "settle, then close")


class Sequence(NamedTuple):
    """What happens to a transport of one kind: steps, each with a number of its own, and an end."""

    number: int
    kind: str
    steps: list[tuple[str, int]]
    end: str


def sequence(number: int) -> Sequence:
    """The sequence of this number."""
    dice = random.Random(number)
    names, weights = list(STEPS), list(STEPS.values())
    steps = dice.choices(names, weights, k=dice.randint(3, 40))
    numbered = [(step, dice.randint(1, 999)) for step in steps]
    return Sequence(number, dice.choice(KINDS), numbered, dice.choice(ENDS))


class Phase(NamedTuple):
    """What was seen from one moment at which all was at rest to the next."""

    heard: list[bytes]
    unreachable: int
    too_large: int
    odd: int
    paused: int
    resumed: int
    sent: list[bytes]
    answers: list[bytes]


class Protocol(Recorder):
    """Does what a datagram asks for."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        if data.startswith(b"answer"):
            self.transport.sendto(data, self.answers_to)
        if data.startswith(b"raise"):
            raise LookupError(data)

    answers_to: Any = None


class Player:
    """Plays one sequence, with a transport of the running loop."""

    def __init__(self, played: Sequence, ours: bool) -> None:
        self._played = played
        self._ours = ours
        self._peer = plain_socket()
        self._peer.setblocking(False)
        self._address = self._peer.getsockname()
        self._arrived: list[bytes] = []
        self._sends = self._hears = 0
        self.phases: list[Phase] = []

    async def play(self) -> tuple[list[Phase], list[Any]]:
        """What was seen in each phase, and the arguments of ``connection_lost()``."""
        try:
            await self._make()
            for step, number in self._played.steps:
                await self._step(step, number)
                assert self._transport.get_write_buffer_size() >= 0
            await self._end()
        finally:
            self._peer.close()
        return self.phases, self._protocol.lost

    async def _make(self) -> None:
        loop: Any = asyncio.get_running_loop()
        self._sock: Any = full_socket(0)
        if self._played.kind == "connected":
            self._sock.connect(self._address)
        self._to = None if self._played.kind == "connected" else self._address
        address = None if self._played.kind == "bound" else self._address
        self._protocol = Protocol()
        self._protocol.answers_to = self._address if self._played.kind == "bound" else None
        waiter = loop.create_future()
        self._transport = loop._make_datagram_transport(self._sock, self._protocol, address, waiter)
        await waiter
        self._own = self._protocol.address

    async def _step(self, step: str, number: int) -> None:
        bound = self._played.kind == "bound"
        send = self._transport.sendto
        if step == "send":
            self._sends += 1
            data = bytearray(b"sent %d" % self._sends + b"\0" * number)
            send(data, self._to)
            data[:] = b"changed"
        elif step == "send to nobody" and bound:
            for _ in range(1 + number % 3):
                send(b"?", NOBODY)
        elif step == "send too much":
            send(TOO_LARGE, self._to)
        elif step == "send oddly" and bound and self._ours:
            send(b"?", ODD[number % len(ODD)])
        elif step == "send to a name" and bound:
            self._sends += 1
            send(b"sent %d" % self._sends, ("localhost", self._address[1]))
        elif step == "send nothing":
            send(b"", self._to)
        elif step == "be full":
            self._sock.full = 1 + number % 3
        elif step == "limit":
            self._transport.set_write_buffer_limits(high=(0, 100, 1000, 65_536)[number % 4])
        elif step.startswith("hear"):
            self._speak({"hear": b"heard", "hear and answer": b"answer"}.get(step, b"raise"), step)
        elif step == "peer leaves for a while":
            await self._miss_the_peer(1 + number % 3)
        elif step == "turn":
            await asyncio.sleep(0)
        elif step == "rearm" and self._ours:
            self._transport.rearm()
        elif step == "rebind" and self._ours and self._played.kind != "connected":
            await self._rebind()
        elif step == "settle":
            await self._settle()

    def _speak(self, word: bytes, step: str) -> None:
        self._hears += 1
        data = b"" if step == "hear nothing" else word + b" %d" % self._hears
        self._peer.sendto(data, self._own)

    async def _miss_the_peer(self, times: int) -> None:
        await self._settle()
        self._peer.close()
        for _ in range(times):
            self._transport.sendto(b"?", self._to)
        await self._until(lambda: len(self._protocol.errors) == times)
        self._peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._peer.setblocking(False)
        self._peer.bind(self._address)

    async def _rebind(self) -> None:
        from tribler_udp_fix import Settings
        from tribler_udp_fix._asyncio._ports import PortChange
        from tribler_udp_fix._asyncio._rebinding import Rebinder

        never = PortChange(float("inf"))
        settings = Settings(gap_queue=LIMIT, gap_queue_age=3600)
        await Rebinder(self._transport, settings, never, self._next_socket).rebind()

    def _next_socket(self, family: int, _: Any) -> socket.socket:
        sock = FullSocket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.full = self._sock.full
        self._sock = sock
        return sock

    async def _settle(self) -> None:
        """Wait until all that was sent, either way, has arrived, and remember what was seen."""
        self._sock.full = 0
        mark = b"mark %d" % len(self.phases)
        self._transport.sendto(mark, self._to)
        await self._until(lambda: mark in self._collected())
        self._peer.sendto(mark, self._own)
        await self._until(lambda: mark in self._protocol.heard)
        # Answers to what was heard last.
        again = b"again" + mark
        self._transport.sendto(again, self._to)
        await self._until(lambda: again in self._collected())
        self._remember()

    async def _until(self, condition: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 10
        turns = 0
        while not condition():
            assert loop.time() < deadline, "waited in vain"
            turns += 1
            await asyncio.sleep(0 if turns < 50 else 0.002)

    def _collected(self) -> list[bytes]:
        self._arrived.extend(self._arrivals())
        return self._arrived

    def _arrivals(self) -> Iterator[bytes]:
        with contextlib.suppress(BlockingIOError):
            while True:
                yield self._peer.recv(LIMIT * 2)

    def _remember(self) -> None:
        calls, self._protocol.calls = self._protocol.calls, []
        numbers = [getattr(exc, "winerror", None) for name, exc in calls if name == "error"]
        names = [name for name, _ in calls]
        arrived, self._arrived = self._arrived, []
        self.phases.append(
            Phase(
                [data for name, data in calls if name == "heard"],
                numbers.count(PORT_UNREACHABLE),
                numbers.count(MESSAGE_SIZE),
                sum(number not in (PORT_UNREACHABLE, MESSAGE_SIZE) for number in numbers),
                names.count("paused"),
                names.count("resumed"),
                [data for data in arrived if not data.startswith(b"answer")],
                [data for data in arrived if data.startswith(b"answer")],
            )
        )

    async def _end(self) -> None:
        first, _, then = self._played.end.partition(", then ")
        if first == "settle":
            await self._settle()
        for each in (first, then):
            if each in ("close", "abort"):
                getattr(self._transport, each)()
            elif each == "send":
                # Where it were full, SelectorEventLoop would wait for a socket that is closed.
                self._sock.full = 0
                self._transport.sendto(LATE, self._to)
        if self._ours:
            self._transport.rearm()
        await self._until(lambda: self._protocol.lost)
        await asyncio.sleep(0)
        lost = self._protocol.lost
        self._collected()
        self._remember()
        self._protocol.calls = [("lost", exc) for exc in lost]
