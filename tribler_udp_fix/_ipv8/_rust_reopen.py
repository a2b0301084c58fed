"""Another Rust object for an endpoint of ipv8-rust-tunnels, at the same port.

Rust's own ``close()`` and ``open()`` would do for an endpoint of a fixed port; one that was opened
with port 0 would move, so that there is a new object for each. In this order: the stand-in takes
the sends; the old object is closed, on a thread, as it may block; the port is free, or else Rust
would go on to the next one by itself; what the old object was told, the new one is told; and only
then does what was queued leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
import threading
import time
from typing import Any, Callable

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._one_at_a_time import one_at_a_time
from tribler_udp_fix._asyncio._ports import PortChange
from tribler_udp_fix._asyncio._rebound import EndpointGone, Rebound
from tribler_udp_fix._asyncio._sockets import family_of
from tribler_udp_fix._ipv8._binding import bound_socket
from tribler_udp_fix._ipv8._lan import forget_lan_addresses
from tribler_udp_fix._ipv8._rust_gap import RustGap
from tribler_udp_fix._ipv8._rust_state import Memory, restore_routing, restore_settings, survived
from tribler_udp_fix._settings import Settings

logger = logging.getLogger("tribler_udp_fix")

CLOSE_TIMEOUT = 1.5  # seconds to wait for the old object's close()
RELEASE_TIMEOUT = 1.0  # seconds in which its tasks, cancelled then, have to let go of the ports

# What a class must have to be reopened; that of 0.1.17 lacks half of it, and a close() that waits.
_RELIED_ON = (
    "add_circuit",
    "add_exit",
    "add_relay",
    "create_socks5_server",
    "get_socket_statistics",
    "get_socks5_statistics",
    "is_open",
    "set_prefixes",
)
_CLOSE = "($self, timeout_secs)"

_told: set[str] = set()


class Reopener:
    """Reopens one Rust endpoint."""

    def __init__(self, endpoint: Any, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._memory = Memory.of(endpoint)
        self._gap: RustGap | None = None  # the last there was
        self._lost_before = 0
        self.ports = PortChange(settings.port_failures)

    @property
    def lost(self) -> int:
        """Datagrams lost so far for want of a socket."""
        return self._lost_before + (self._gap.lost if self._gap else 0)

    async def reopen(self, is_wanted: Callable[[], bool], address: Any) -> Rebound:
        """Give the endpoint another Rust object, bound to *address*, and restore what it was told.

        *address* is where it was last bound, or belongs now; None where it never was. Raises
        OSError when its port cannot be bound, and ``ports`` takes no other one: the endpoint then
        goes on without a socket, its sends queueing, until a later call succeeds. Raises
        EndpointGone when its owner closes it, and where *is_wanted* says that he has. One that gets
        a new object from another watchdog, while this waits for its turn, keeps that.
        """
        old = self._endpoint.rust_ep
        async with one_at_a_time(self._endpoint), one_at_a_time(asyncio.get_running_loop()):
            if not is_wanted():
                raise EndpointGone
            gap = self._endpoint.rust_ep
            if not isinstance(gap, RustGap):
                if gap is not old:
                    return Rebound(int(gap.get_address()[1]), False, 0.0, 0, 0)
                if address is None:
                    raise OSError(errno.EBADF, "the Rust endpoint never had an address")
                gap = await self._close(address)
            elif address is not None:
                gap.address = address
            return await self._open(gap)

    def leave(self) -> None:
        """Forget what the endpoint was told, and leave it as it is."""
        self._memory.release()

    def abandon(self) -> None:
        """Close an endpoint that is left without a socket, and forget what it was told."""
        gap = self._endpoint.rust_ep
        if isinstance(gap, RustGap):
            gap.close()
        self.leave()

    async def _close(self, address: Any) -> RustGap:
        """Put the stand-in in the Rust object's place, and close the old one for good."""
        endpoint = self._endpoint
        _tell_once(
            "reopening a Rust endpoint: its SOCKS5 clients have to connect again, and its "
            "statistics start anew; see docs/rust-endpoint.md"
        )
        self._memory.ask()
        with survived("read a Rust endpoint's statistics", logging.DEBUG):
            endpoint.update_stats()
        old = endpoint.rust_ep
        settings = self._settings
        limits = settings.gap_queue, settings.gap_queue_age
        gap = RustGap(endpoint, address, limits, self._memory.socks5)
        self._lost_before, self._gap = self.lost, gap
        if not await _in_thread(lambda: old.close(1), CLOSE_TIMEOUT):
            COUNTERS.add("transports that did not close in time")
        return gap

    async def _open(self, gap: RustGap) -> Rebound:
        endpoint, old_port = self._endpoint, gap.address[1]
        wanted = await self._free_port(gap)
        if gap.closing:
            raise EndpointGone
        rust_object = gap.new_rust_object(wanted)
        try:
            rust_object.open(endpoint.datagram_received, endpoint.worker_threads)
            port = _port_of(rust_object, wanted)
            await _restore_socks5(rust_object, gap.socks5)
            restore_routing(endpoint, rust_object)
            gap.adopt(rust_object)
            restore_settings(endpoint, self._memory)
            queued = await gap.hand_over()
        except BaseException:  # cancelled, too: the socket has no other owner
            gap.disown()
            _start_thread(lambda: rust_object.close(1))
            raise
        self.ports.bound()
        moved = port != old_port
        if moved:
            forget_lan_addresses(endpoint, old_port)
        return Rebound(port, moved, time.perf_counter() - gap.since, queued, gap.lost)

    async def _free_port(self, gap: RustGap) -> int:
        """The old port, once it is free; 0 where another one is allowed and this one is taken."""
        host, port = gap.address[:2]
        family = family_of(host)
        try:
            await _until_bindable(lambda: bound_socket(family, host, port, ()).close())
        except OSError as exc:
            if not self.ports.failed(exc):
                raise
            return 0
        return int(port)


def can_be_reopened(endpoint: Any) -> bool:
    """Whether the endpoint's Rust object is of a version that this module knows."""
    cls = type(endpoint.rust_ep)
    if cls is RustGap:
        return True
    known = all(hasattr(cls, name) for name in _RELIED_ON)
    return known and getattr(cls.close, "__text_signature__", "") == _CLOSE


def _port_of(rust_object: Any, wanted: int) -> int:
    if not rust_object.is_open():
        raise OSError(errno.EADDRNOTAVAIL, "the Rust endpoint could not be opened")
    port = int(rust_object.get_address()[1])
    if wanted not in (0, port):
        raise OSError(errno.EADDRINUSE, f"port {wanted} was taken, the Rust endpoint got {port}")
    return port


async def _restore_socks5(rust_object: Any, servers: dict[int, int]) -> None:
    restored: set[int] = set()
    while set(servers) - restored:  # more may come meanwhile
        port = (set(servers) - restored).pop()
        restored.add(port)
        with survived(f"restore the SOCKS5 server at port {port}"):
            await _until_bindable(lambda port=port: _check_tcp(port))  # type: ignore[misc]
            rust_object.create_socks5_server(port, servers[port])


def _check_tcp(port: int) -> None:
    """Raise OSError where no SOCKS5 server can be made, which Rust answers with a panic."""
    with socket.socket() as sock:
        if sys.platform != "win32":  # as Rust does: connections of the old server may linger
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))


async def _until_bindable(bind: Callable[[], None]) -> None:
    """Call *bind* until it raises nothing; raises its OSError after ``RELEASE_TIMEOUT``."""
    deadline = time.perf_counter() + RELEASE_TIMEOUT
    while True:
        try:
            return bind()
        except OSError:
            if time.perf_counter() >= deadline:
                raise
        await asyncio.sleep(0.002)


async def _in_thread(call: Callable[[], object], seconds: float) -> bool:
    """Whether *call*, which blocks, came back within so many seconds."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def tell() -> None:
        if not done.done():
            done.set_result(None)

    def run() -> None:
        try:
            call()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(tell)

    _start_thread(run)
    finished, _ = await asyncio.wait([done], timeout=seconds)
    return bool(finished)


def _start_thread(call: Callable[[], object]) -> None:
    # Not the loop's executor, which the program's end would wait for.
    def run() -> None:
        with survived("close a Rust object", logging.DEBUG):
            call()

    threading.Thread(target=run, name="tribler_udp_fix: close", daemon=True).start()


def _tell_once(message: str) -> None:
    if message not in _told:
        _told.add(message)
        logger.warning("%s", message)
