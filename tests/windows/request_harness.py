"""Runs cases of two nodes on a loop whose time runs ahead, and tells what they send."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Awaitable, Callable

from asking import Node

import tribler_udp_fix
from tribler_udp_fix import testing

Case = Callable[[Node, Node], Awaitable[None]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def run(name: str) -> None:
    """Run a case, after which nothing may be left that the event loop has to complain of."""
    complaints: list[Any] = []

    async def main() -> None:
        nodes = await Node().start(), await Node().start()
        try:
            await CASES[name](*nodes)
        finally:
            for node in nodes:
                await node.stop()

    loop = testing.fast_loop(patience=0.05)
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert complaints == []


class Sends:
    """What a node sends from now on, and how many seconds from now."""

    def __init__(self, node: Node) -> None:
        began, send = now(), node.endpoint.send
        self.times: list[float] = []
        self.packets: list[bytes] = []

        def record(address: Any, packet: bytes) -> None:
            self.times.append(now() - began)
            self.packets.append(packet)
            send(address, packet)

        node.endpoint.send = record

    def __len__(self) -> int:
        return len(self.times)


def now() -> float:
    return asyncio.get_running_loop().time()


@contextlib.contextmanager
def counted(**expected: int) -> Any:
    """So many more of each name are in the status at the end."""
    before = tribler_udp_fix.status().counters
    yield
    after = tribler_udp_fix.status().counters
    assert {name: after.get(name, 0) - before.get(name, 0) for name in expected} == expected
