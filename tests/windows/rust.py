"""What the tests of Rust endpoints share: endpoints, tunnels between them, and a SOCKS5 client."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import socket
import struct
import sys
import time
from types import SimpleNamespace
from typing import Any, AsyncIterator, Callable, Iterator

import pytest

from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._rust_leaf import RustLeaf

HAS_RUST = importlib.util.find_spec("ipv8_rust_tunnels") is not None  # not on 3.8 and 3.9


def _class(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name) if HAS_RUST else object


_TUNNEL = "ipv8.messaging.anonymization.tunnel"
Endpoint = _class("ipv8_rust_tunnels", "Endpoint")
EndpointListener: Any = _class("ipv8.messaging.interfaces.endpoint", "EndpointListener")
CellPayload = _class("ipv8.messaging.anonymization.payload", "CellPayload")
Circuit, Hop, RelayRoute = (_class(_TUNNEL, name) for name in ("Circuit", "Hop", "RelayRoute"))
TunnelExitSocket = _class("ipv8.messaging.anonymization.exit_socket", "TunnelExitSocket")
generate_session_keys = _class("ipv8_rust_tunnels", "generate_session_keys")

needs_rust = pytest.mark.skipif(not HAS_RUST, reason="ipv8-rust-tunnels needs Python 3.10")

HOST = "127.0.0.1"
PREFIX = b"\x00\x02" + b"community".ljust(20, b".")
TUNNEL_PREFIX = b"\x00\x02" + b"tunnels".ljust(20, b".")
EXIT_BT = 2


def run(main: Callable[[], Any]) -> Any:
    """Run an async function; no task and no handler may have failed."""
    failures: list[dict[str, Any]] = []

    async def watched() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        return await asyncio.wait_for(main(), 60)

    result = asyncio.run(watched())
    assert not failures
    return result


class Heard(EndpointListener):  # type: ignore[misc]
    """Remembers what it hears."""

    def __init__(self, endpoint: Any) -> None:
        super().__init__(endpoint)
        self.heard: list[bytes] = []

    def on_packet(self, packet: tuple[Any, bytes]) -> None:
        self.heard.append(packet[1])


@contextlib.asynccontextmanager
async def rust_endpoint(port: int = 0) -> AsyncIterator[Any]:
    """An open endpoint, closed in the end."""
    endpoint = Endpoint(port, HOST, worker_threads=2)
    assert await endpoint.open()
    try:
        yield endpoint
    finally:
        await endpoint.close()


@contextlib.contextmanager
def leaf_of(endpoint: Any, **settings: Any) -> Iterator[RustLeaf]:
    """The endpoint as the watchdog sees it, where it may be rebound."""
    leaf = RustLeaf(endpoint, Settings(rebind_rust=True, **settings))
    assert leaf.is_open()
    leaf.address()
    try:
        yield leaf
    finally:
        leaf.detach()


@contextlib.contextmanager
def plain_socket(port: int = 0) -> Iterator[socket.socket]:
    """A UDP socket on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((HOST, port))
        yield sock


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What *condition* says, once that is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
    return found


async def received(sock: socket.socket, seconds: float = 5.0) -> tuple[bytes, Any]:
    """The next datagram, and where it is from; fails after so many seconds."""

    def take() -> Any:
        try:
            return sock.recvfrom(2000)
        except (BlockingIOError, ConnectionResetError):
            return None

    found: tuple[bytes, Any] = await until(take, seconds)
    return found


async def hears(endpoint: Any, listener: Heard, data: bytes) -> None:
    """Assert that the listener hears what a peer sends."""
    with plain_socket() as peer:
        peer.sendto(PREFIX + data, endpoint.get_address())
        await until(lambda: PREFIX + data in listener.heard)


@contextlib.contextmanager
def taken_from(endpoint: Any) -> Iterator[None]:
    """Close the Rust object under its owner, and keep its port from it."""
    port = endpoint.get_address()[1]
    endpoint.rust_ep.close(0)
    with contextlib.ExitStack() as stack:
        taken = False
        while not taken:  # its tasks let go of the port in their own time
            with contextlib.suppress(OSError):
                stack.enter_context(plain_socket(port))
                taken = True
        yield


@contextlib.asynccontextmanager
async def in_gap(leaf: RustLeaf) -> AsyncIterator[None]:
    """Have the endpoint be without a socket: a rebind has failed, and will until the end."""
    with taken_from(leaf.endpoint):
        with pytest.raises(OSError):
            await leaf.rebind()
        yield


def set_up_tunnels(endpoint: Any, **settings: Any) -> Any:
    """Make the endpoint one of a tunnel community; returns the settings."""
    told = SimpleNamespace(**{"max_relay_early": 8, "peer_flags": {EXIT_BT}, **settings})
    endpoint.setup_tunnels(SimpleNamespace(get_prefix=lambda: TUNNEL_PREFIX), told)
    return told


def hop(address: Any, secret: bytes) -> Any:
    """A hop of a circuit, at *address*."""
    return Hop(SimpleNamespace(address=address), keys=generate_session_keys(secret * 32))


def circuit(circuit_id: int, *hops: Any) -> Any:
    """A circuit that is ready."""
    made = Circuit(circuit_id, goal_hops=len(hops))
    for one in hops:
        made.add_hop(one)
    return made


class Socks5Client:
    """A SOCKS5 client that has made a UDP association."""

    def __init__(self, port: int) -> None:
        self._tcp = socket.create_connection((HOST, port), timeout=5)
        self._tcp.sendall(b"\x05\x01\x00")
        assert self._tcp.recv(2) == b"\x05\x00"
        self._tcp.sendall(b"\x05\x03\x00\x01" + bytes(6))
        reply = self._tcp.recv(10)
        assert reply[:4] == b"\x05\x00\x00\x01"
        self._relay = (HOST, struct.unpack("!H", reply[8:])[0])
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setblocking(False)
        self.udp.bind((HOST, 0))

    def send(self, address: Any, data: bytes) -> None:
        """Send *data* through the tunnel to *address*."""
        header = b"\x00\x00\x00\x01" + socket.inet_aton(address[0]) + struct.pack("!H", address[1])
        self.udp.sendto(header + data, self._relay)

    def __enter__(self) -> Socks5Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._tcp.close()
        self.udp.close()


def open_handles() -> int:
    """How many files, sockets and threads' handles this process has open."""
    if sys.platform == "win32":
        import ctypes

        count = ctypes.c_ulong()
        kernel32 = ctypes.WinDLL("kernel32")
        kernel32.GetCurrentProcess.restype = ctypes.c_void_p
        assert kernel32.GetProcessHandleCount(
            ctypes.c_void_p(kernel32.GetCurrentProcess()), ctypes.byref(count)
        )
        with plain_socket() as sock:  # Wine counts none; new ones get the lowest number there
            return count.value or sock.fileno() // 4
    import os

    return len(os.listdir("/proc/self/fd")) + len(os.listdir("/proc/self/task"))
