"""UDP endpoints for the tests that run on Linux: what they hear, and what they do not."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any, Awaitable, Callable

HOSTS: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
SILENCE = 0.2  # seconds in which whatever is to be heard has been heard

Main = Callable[[], Awaitable[None]]


class Endpoint(asyncio.DatagramProtocol):
    """Remembers what it heard."""

    transport: Any

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.errors: list[Any] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append(data)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    @property
    def address(self) -> Any:
        return self.transport.get_extra_info("sockname")

    async def hears(self, data: bytes) -> None:
        send(self.address, data)
        await until(lambda: self.heard[-1:] == [data])

    async def is_deaf_to(self, data: bytes) -> None:
        before = list(self.heard)
        send(self.address, data)
        await asyncio.sleep(SILENCE)
        assert self.heard == before
        assert self.errors == []
        assert not self.transport.is_closing()


async def endpoint(family: int = socket.AF_INET) -> Endpoint:
    loop = asyncio.get_running_loop()
    _, made = await loop.create_datagram_endpoint(Endpoint, local_addr=(HOSTS[family], 0))
    return made


def send(address: Any, data: bytes) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.sendto(data, address)


async def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def run(main: Main) -> list[Any]:
    """Run *main*; returns what the event loop had to report."""
    failures: list[Any] = []
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
    try:
        loop.run_until_complete(main())
        loop.run_until_complete(asyncio.sleep(0.01))
    finally:
        loop.close()
    return failures
