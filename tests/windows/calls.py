"""What an echoed datagram costs, in calls: a count, which no other program on the machine moves."""

from __future__ import annotations

import asyncio
import collections
import sys
import time
from typing import Any, NamedTuple

from udp import endpoint, plain_socket

# Functions of CPython's own that are, or contain, a system call.
SYSTEM_CALLS = frozenset(
    {
        "CreateIoCompletionPort",
        "GetQueuedCompletionStatus",
        "WSARecv",
        "WSARecvFrom",
        "WSARecvFromInto",
        "WSARecvInto",
        "WSASend",
        "WSASendTo",
        "cancel",
        "recv",
        "recv_into",
        "recvfrom",
        "recvfrom_into",
        "select",
        "send",
        "sendto",
    }
)
ROUNDS = 10


class Calls(NamedTuple):
    """Calls for each datagram."""

    system: float
    python: float


class Echo(asyncio.DatagramProtocol):
    """Answers each datagram with itself, and says when it has answered enough."""

    def __init__(self) -> None:
        self.left = 0
        self.done: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)
        self.left -= 1
        if not self.left:
            self.done.set_result(None)


async def count(datagrams: int) -> Calls:
    """The calls for each of so many *datagrams* that wait at once, until the loop is at rest.

    The least of some rounds: a completion that comes a turn later than it could costs a turn.
    """
    loop = asyncio.get_running_loop()
    protocol = await endpoint(protocol=Echo)
    rounds = []
    with plain_socket() as peer:
        peer.settimeout(5)
        for _ in range(ROUNDS):
            protocol.left, protocol.done = datagrams, loop.create_future()
            await asyncio.sleep(0.02)
            for _ in range(datagrams):
                peer.sendto(bytes(500), protocol.transport.get_extra_info("sockname"))
            time.sleep(0.01)
            rounds.append(await _count_until(protocol.done))
            for _ in range(datagrams):
                peer.recv(2000)
    protocol.transport.close()
    await asyncio.sleep(0.02)
    system, python = (min(counts) / datagrams for counts in zip(*rounds))
    return Calls(system, python)


async def _count_until(done: asyncio.Future[None]) -> tuple[int, int]:
    calls: collections.Counter[str] = collections.Counter()

    def profile(_frame: Any, event: str, function: Any) -> None:
        if event == "call":
            calls["python"] += 1
        elif event == "c_call" and function.__name__ in SYSTEM_CALLS:
            calls["system"] += 1

    sys.setprofile(profile)
    try:
        await done
        # The completions of the sends, and what else the datagrams leave to the turns after.
        for _ in range(3):
            await asyncio.sleep(0)
    finally:
        sys.setprofile(None)
    return calls["system"], calls["python"]
