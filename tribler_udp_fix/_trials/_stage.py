"""The sockets and protocols of a trial, and how it waits."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any, Callable, Tuple

Address = Tuple[Any, ...]

LOOPBACK = "127.0.0.1"

HEALTHY = "healthy"  # it behaves as SelectorEventLoop does
SUFFERS = "suffers"  # the fault was seen
UNKNOWN = "unknown"  # this machine could not show it either way
ABSENT = "absent"  # there is nothing here that could have the fault


class Undecided(Exception):
    """This machine cannot show the fault; the text says why."""


class Recorder(asyncio.DatagramProtocol):
    """A protocol that writes down what it is told."""

    def __init__(self, notify: Callable[[], None], max_size: int | None) -> None:
        self.received: list[bytes] = []
        self.senders: list[Address] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception | None] = []
        self.writable = True
        self._notify = notify
        self._max_size = max_size

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        # The first receive is posted after this callback, with this size.
        if self._max_size is not None:
            transport.max_size = self._max_size

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.received.append(data)
        self.senders.append(addr)
        self._notify()

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)
        self._notify()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)
        self._notify()

    def pause_writing(self) -> None:
        self.writable = False
        self._notify()

    def resume_writing(self) -> None:
        self.writable = True
        self._notify()


class Stage:
    """Makes the endpoints and peers of one trial and closes them."""

    patience = 0.3
    """Seconds to wait for what should be there at once."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self._note_problem)
        self.problems: list[str] = []
        self._changed: asyncio.Future[None] = self.loop.create_future()
        self._endpoints: list[Recorder] = []
        self._sockets: list[socket.socket] = []
        self._witness: Recorder | None = None
        self._beats: socket.socket | None = None

    def _note_problem(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.problems.append(repr(context.get("exception") or context.get("message")))

    def _notify(self) -> None:
        if not self._changed.done():
            self._changed.set_result(None)

    def plain_socket(self, host: str = LOOPBACK, port: int = 0) -> socket.socket:
        """A plain, bound, non-blocking UDP socket, closed when the trial ends."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        self._sockets.append(sock)
        sock.setblocking(False)
        sock.bind((host, port))
        return sock

    def closed_port(self) -> Address:
        """An address that nothing listens on."""
        sock = self.plain_socket()
        address: Address = sock.getsockname()
        sock.close()
        return address

    async def endpoint(
        self,
        sock: socket.socket | None = None,
        remote: Address | None = None,
        max_size: int | None = None,
        broadcast: bool | None = None,
    ) -> Recorder:
        """An endpoint of the event loop on trial, on ``sock`` or for ``remote`` alone."""
        recorder = Recorder(self._notify, max_size)
        self._endpoints.append(recorder)
        if remote is not None:
            await self.loop.create_datagram_endpoint(
                lambda: recorder,
                local_addr=(LOOPBACK, 0),
                remote_addr=(remote[0], remote[1]),
                allow_broadcast=broadcast,
            )
        else:
            await self.loop.create_datagram_endpoint(
                lambda: recorder, sock=sock or self.plain_socket()
            )
        return recorder

    async def until(self, condition: Callable[[], bool]) -> bool:
        """Wait for the condition; False when there is nothing left to wait for.

        On a machine so loaded that the patience ran out unused, three more datagrams have to
        reach a fresh endpoint of the same loop first: what was sent before them had its turn.
        """
        end = time.monotonic() + self.patience
        while not condition() and time.monotonic() < end:
            await self._change()
        for _ in range(3):
            if condition():
                return True
            await self.beat()
        return condition()

    async def _change(self) -> None:
        if self._changed.done():
            self._changed = self.loop.create_future()
        await asyncio.wait([self._changed], timeout=0.02)

    async def beat(self) -> None:
        """One datagram through an endpoint that sends nothing, so that no error meets it."""
        if self._witness is None or self._beats is None:
            self._witness, self._beats = await self.endpoint(), self.plain_socket()
        witness = self._witness
        count = len(witness.received)
        send(self._beats, b"beat", address_of(witness))
        while len(witness.received) == count:
            await self._change()

    async def close(self) -> None:
        for recorder in self._endpoints:
            if hasattr(recorder, "transport"):
                recorder.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)
        for sock in self._sockets:
            sock.close()


def address_of(recorder: Recorder) -> Address:
    """The address the endpoint is bound to."""
    address: Address = recorder.transport.get_extra_info("sockname")
    return address


def send(sock: socket.socket, data: bytes, address: Address) -> None:
    """Send at once; a socket buffer that is full for a moment is waited for."""
    for _ in range(100):
        try:
            sock.sendto(data, address)
            return
        except BlockingIOError:
            time.sleep(0.01)
    raise Undecided(f"could not send to {address}")


def count_icmp_errors(sock: socket.socket, targets: list[Address | None]) -> int:
    """How many of the ICMP errors that these sends cause reach a plain socket here.

    A firewall, or a system that tells only connected sockets, makes it fewer than the sends.
    The sends go to ``targets``, where None is the address the socket is connected to.
    """
    errors = 0
    for target in targets:
        try:
            if target is None:
                sock.send(b"anyone there?")
            else:
                sock.sendto(b"anyone there?", target)
        except OSError:
            errors += 1
    end = time.monotonic() + 0.1
    while errors < len(targets) and time.monotonic() < end:
        try:
            sock.recv(100)
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:
            errors += 1
    return errors


def describe(exc: BaseException) -> str:
    """The exception's class and number: its text differs between Windows and Wine."""
    number = getattr(exc, "winerror", None) or getattr(exc, "errno", None)
    return f"{type(exc).__name__} {number}"
