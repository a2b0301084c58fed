"""What stands in for the Rust object of an endpoint that has no socket."""

from __future__ import annotations

import collections
import copy
import socket
import threading
import time
from asyncio import sleep
from typing import Any, NamedTuple

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._rebound import EndpointGone

PATIENCE = 0.25  # seconds, in all, that a hand-over waits for the new socket to take datagrams

# What the Rust object answers when it knows nothing yet; everything else answers None.
_ANSWERS: dict[str, Any] = {
    "get_associated_circuits": (),
    "get_byte_counters": (0, 0),
    "get_message_statistics": {},
    "get_peers_for_circuit": [],
    "get_socket_statistics": (0, 0, 0, 0),
}


class _Send(NamedTuple):
    method: str
    address: Any
    packet: bytes
    at: float


class RustGap:
    """Keeps what is sent while a Rust endpoint has no socket, in order.

    *limits* are how many datagrams, the newest, and for how many seconds each.

    An endpoint whose ``rust_ep`` this is still counts as open. Circuits and the like can be added
    and removed meanwhile: IPv8's own dicts hold them, and the next Rust object is told of them.
    ``socks5`` are the SOCKS5 servers to be made again, hops by port.

    Once there is a *successor* every call but a send goes to it, and after the hand-over each one:
    somebody may have kept a reference, such as the thread in which the owner closes the endpoint.
    """

    def __init__(
        self, endpoint: Any, address: Any, limits: tuple[int, float], socks5: dict[int, int]
    ) -> None:
        self.address = address
        self.since = time.perf_counter()
        self.socks5 = socks5
        self.lost = 0
        self.closing = False
        self.successor: Any = None
        self._endpoint = endpoint
        self._old = endpoint.rust_ep
        self._limit, self._age = limits
        self._queue: collections.deque[_Send] = collections.deque()
        self._handed_over = False
        # The owner's close() comes on a thread of its own.
        self._lock = threading.RLock()
        replace_rust_object(endpoint, self)

    def new_rust_object(self, port: int) -> Any:
        """A Rust object that is not open, of the old one's class, for its address and *port*."""
        host = self.address[0]
        return type(self._old)(f"[{host}]" if ":" in host else host, port)

    def send(self, address: Any, packet: bytes) -> None:
        """Queue a datagram; the oldest makes way where it does not fit, and is counted."""
        self._send(_Send("send", address, packet, time.perf_counter()))

    def send_cell(self, address: Any, packet: bytes) -> None:
        """Queue a cell, which the next Rust object encrypts; it may make the oldest give way."""
        self._send(_Send("send_cell", address, packet, time.perf_counter()))

    def is_open(self) -> bool:
        """Whether the endpoint's owner has it open."""
        if self._handed_over:
            return bool(self.successor.is_open())
        return not self.closing

    def get_address(self) -> Any:
        """The address as it was and shall be again."""
        return self.successor.get_address() if self._handed_over else self.address

    def create_socks5_server(self, port: int, hops: int) -> int:
        """Choose the port of a SOCKS5 server, which the next Rust object is to make."""
        with self._lock:
            if self.successor is not None:
                return int(self.successor.create_socks5_server(port, hops))
            if port == 0:
                with socket.socket() as sock:
                    sock.bind(("127.0.0.1", 0))
                    port = sock.getsockname()[1]
            self.socks5[port] = hops
            return port

    def get_socks5_statistics(self) -> list[dict[str, int]]:
        """The SOCKS5 servers, which nobody is connected to."""
        if self.successor is not None:
            return list(self.successor.get_socks5_statistics())
        return [{"port": port, "hops": hops, "associates": 0} for port, hops in self.socks5.items()]

    def close(self, timeout: int = 0) -> None:
        """The endpoint's owner closes it, on any thread, and may open it again."""
        with self._lock:
            if not self._handed_over and not self.closing:
                self.closing = True
                self.lose("queued while rebinding, and the endpoint closed", len(self._queue))
                self._queue.clear()
                if self._endpoint.rust_ep is self:
                    unopened = self.new_rust_object(self.address[1])
                    replace_rust_object(self._endpoint, unopened)
            successor = self.successor
        if successor is not None:
            successor.close(timeout)

    def adopt(self, successor: Any) -> None:
        """Have *successor* answer everything but sends; raises EndpointGone after ``close()``."""
        with self._lock:
            if self.closing:
                raise EndpointGone
            self.successor = successor

    def disown(self) -> None:
        """Go on without the successor that was adopted, unless it is in place already."""
        with self._lock:
            if not self._handed_over:
                self.successor = None

    async def hand_over(self) -> int:
        """Send what has been queued through the successor, in order, and put it in place.

        Returns how many datagrams that were. Raises EndpointGone after ``close()``.
        """
        sent = 0
        patience = time.perf_counter() + PATIENCE
        while True:
            with self._lock:
                if self.closing:
                    raise EndpointGone
                if not self._queue:
                    replace_rust_object(self._endpoint, self.successor)
                    self._handed_over = True
                    return sent
                queued = self._queue.popleft()
            if time.perf_counter() - queued.at > self._age:
                self.lose("waited too long for a socket")
                continue
            before = self._sent()
            try:
                getattr(self.successor, queued.method)(queued.address, queued.packet)
            except Exception:  # an address that no socket takes: as lost as if sent in time
                self.lose("queued while rebinding, and refused")
                continue
            sent += 1
            # A new socket of Tokio's does not know yet that it can send. Each datagram then waits
            # in a task of its own, and the tasks end in any order.
            while self._sent() == before and time.perf_counter() < patience:
                await sleep(0)

    def lose(self, why: str, datagrams: int = 1) -> None:
        """Count *datagrams* as lost for the reason *why*."""
        self.lost += datagrams
        COUNTERS.dropped(why, datagrams)

    def _sent(self) -> int:
        try:
            return int(self.successor.get_socket_statistics()[0])
        except Exception:  # closed under us
            return -1

    def _send(self, entry: _Send) -> None:
        with self._lock:
            if self._handed_over:
                getattr(self.successor, entry.method)(entry.address, entry.packet)
            elif self.closing:
                COUNTERS.dropped("sent after close")
            else:
                self._queue.append(entry)
                if len(self._queue) > self._limit:
                    self._queue.popleft()
                    self.lose("sent while rebinding, and the queue was full")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(type(self._old), name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return _Call(self, name)


class _Call:
    """A method of the Rust object that has nothing to act on, or acts on the next one."""

    def __init__(self, gap: RustGap, name: str) -> None:
        self.__self__ = gap  # as a bound method has it
        self.__name__ = name

    def __call__(self, *args: Any) -> Any:
        successor = self.__self__.successor
        if successor is not None:
            return getattr(successor, self.__name__)(*args)
        return copy.copy(_ANSWERS.get(self.__name__))


def replace_rust_object(endpoint: Any, new: Any) -> None:
    """Have *new* in the place of the endpoint's Rust object, in its routing dicts as well."""
    old, endpoint.rust_ep = endpoint.rust_ep, new
    for routing in (endpoint.circuits, endpoint.relays, endpoint.exit_sockets):
        for told, method in list(vars(routing).items()):
            if getattr(method, "__self__", None) is old:
                setattr(routing, told, getattr(new, method.__name__))
