"""What the tests of UDP endpoints share: a protocol that remembers, and ways to make errors."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import os
import socket
import sys
from typing import Any, Callable

import pytest

import tribler_udp_fix

LOOPBACK: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
IN_LAB = os.environ.get("WINLAB") == "1"

# Windows itself offers no way to make an endpoint's receive fail with a number of our choice.
needs_lab = pytest.mark.skipif(not IN_LAB, reason="only the lab's shim can make this error")
# Wine, unlike Windows, lets a socket receive that was never bound.
needs_windows = pytest.mark.skipif(IN_LAB, reason="only Windows itself makes this error")
needs_pyipv8 = pytest.mark.skipif(
    sys.version_info < (3, 10) or importlib.util.find_spec("ipv8") is None,
    reason="this Python has no whole pyipv8",
)


def only_on(*minors: str) -> Any:
    """A mark for what need not be shown on every Python, so that CI has time for the rest."""
    here = "{}.{}".format(*sys.version_info)
    # Windows' own CI runs it on what it has: the lab has all of them at once.
    return pytest.mark.skipif(IN_LAB and here not in minors, reason=f"run on {', '.join(minors)}")


class Recorder(asyncio.DatagramProtocol):
    """Remembers every call, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.calls.append(("made", None))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.calls.append(("heard", data))

    def error_received(self, exc: Exception) -> None:
        self.calls.append(("error", exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append(("lost", exc))

    def pause_writing(self) -> None:
        self.calls.append(("paused", None))

    def resume_writing(self) -> None:
        self.calls.append(("resumed", None))

    def all(self, call: str) -> list[Any]:
        return [argument for name, argument in self.calls if name == call]

    @property
    def heard(self) -> list[bytes]:
        return self.all("heard")

    @property
    def errors(self) -> list[Any]:
        return self.all("error")

    @property
    def lost(self) -> list[Any]:
        return self.all("lost")

    @property
    def address(self) -> Any:
        return self.transport.get_extra_info("sockname")


class FullSocket(socket.socket):
    """A socket whose buffer is full for the next so many sends that would not block.

    Loopback never fills one: only that word of the socket's is ours, every byte goes its own way.
    """

    full = 0

    def send(self, *args: Any) -> int:
        self._refuse()
        return super().send(*args)

    def sendto(self, *args: Any) -> int:
        self._refuse()
        return super().sendto(*args)

    def _refuse(self) -> None:
        if self.full:
            self.full -= 1
            raise BlockingIOError


def full_socket(sends: int = 1) -> FullSocket:
    """A bound socket that is full for the next so many *sends*."""
    sock = FullSocket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((LOOPBACK[socket.AF_INET], 0))
    sock.setblocking(False)
    sock.full = sends
    return sock


def error_budget(errors: int) -> None:
    """Change the setting of that name, and no other, until the end of the test."""
    now = tribler_udp_fix.status().settings
    tribler_udp_fix.install(dataclasses.replace(now, error_budget=errors))


async def endpoint(family: int = socket.AF_INET, protocol: Any = Recorder, **options: Any) -> Any:
    """The protocol of a new endpoint, bound to loopback unless *options* say otherwise."""
    loop = asyncio.get_running_loop()
    if not {"local_addr", "remote_addr", "sock", "family"} & set(options):
        options["local_addr"] = (LOOPBACK[family], 0)
    _, made = await loop.create_datagram_endpoint(protocol, **options)
    return made


def plain_socket(family: int = socket.AF_INET) -> socket.socket:
    """A bound socket without an event loop."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((LOOPBACK[family], 0))
    return sock


def closed_address(family: int = socket.AF_INET) -> Any:
    """An address that nobody listens on."""
    with plain_socket(family) as sock:
        return sock.getsockname()


def send(address: Any, *datagrams: bytes) -> None:
    """Send *datagrams* to *address* from a socket that asks for no answer."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with plain_socket(family) as sock:
        for data in datagrams:
            sock.sendto(data, address)


def fail_receive(address: Any, ntstatus: int) -> None:
    """Make one receive at *address* fail with *ntstatus* (see the lab's README)."""
    send(address, b"winlab:ntstatus:%08X" % ntstatus)


def pauses_of(loop: Any) -> list[float]:
    """The pauses between errors that are made on *loop* from now on, as they come; seconds."""
    pauses: list[float] = []
    call_later = loop.call_later

    def noted(delay: float, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if callback.__name__ in ("_read_on", "_waited"):
            pauses.append(delay)
        return call_later(delay, callback, *args, **kwargs)

    loop.call_later = noted
    return pauses


async def until(condition: Callable[[], Any], seconds: float = 10.0, every: float = 0.01) -> None:
    """Return as soon as *condition* holds; fail when it does not within *seconds*.

    It looks *every* so many seconds. 0.01 is less than Windows' clock tells apart before Python
    3.13: there it looks at each turn of the loop, and so is somebody who waits for the loop.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, "waited in vain"
        await asyncio.sleep(every)


async def hears(protocol: Any, *datagrams: bytes) -> None:
    """Send *datagrams* to *protocol* and wait until it heard the last; fail when it does not."""
    send(protocol.address, *datagrams)
    await until(lambda: protocol.heard[-1:] == [datagrams[-1]])
