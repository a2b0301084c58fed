"""The event loop that is measured, in a Windows Python: ``subject.py proactor|selector|winloop``.
With ``none`` it has no loop, and does the least that can be done.

It takes one command a line on stdin, as JSON, and answers with one line on stdout. It knows nothing
of the plugin: the environment variable alone decides whether that is on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
import tracemalloc
from typing import Any

STOP = b"stop"
LOOPBACK = "127.0.0.1"


class Endpoint(asyncio.DatagramProtocol):
    """Ends when it hears STOP."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.writable = asyncio.Event()
        self.writable.set()
        self.heard = 0
        self.errors = 0
        self.first = self.last = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data == STOP:
            self.last = time.perf_counter()
            if not self.done.done():
                self.done.set_result(None)
            return
        if not self.heard:
            self.first = time.perf_counter()
        self.heard += 1

    def error_received(self, exc: Exception) -> None:
        self.errors += 1

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


class Echo(Endpoint):
    """Answers each datagram with itself."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data == STOP:
            self.done.set_result(None)
        else:
            self.transport.sendto(data, addr)


async def open_endpoint(kind: type[Endpoint] = Endpoint) -> Any:
    """Return the protocol of a new endpoint."""
    loop = asyncio.get_running_loop()
    # A socket of our own: winloop's look-up of the address hangs under tracemalloc.
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((LOOPBACK, 0))
    sock.setblocking(False)
    _, protocol = await loop.create_datagram_endpoint(kind, sock=sock)
    return protocol


async def serve(kind: type[Endpoint]) -> Any:
    """Open an endpoint, tell its port, run it until it hears STOP, and close it."""
    protocol = await open_endpoint(kind)
    answer(port=protocol.transport.get_extra_info("sockname")[1])
    await protocol.done
    protocol.transport.close()
    await asyncio.sleep(0.02)
    return protocol


async def echo() -> dict[str, Any]:
    """Answer every datagram."""
    await serve(Echo)
    return {}


def echo_without_a_loop() -> dict[str, Any]:
    """Answer every datagram with recvfrom() and sendto() alone: the least that it can cost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        answer(port=sock.getsockname()[1])
        while True:
            data, addr = sock.recvfrom(65_535)
            if data == STOP:
                return {}
            sock.sendto(data, addr)


def storm_without_a_loop(errors: int, datagrams: int) -> dict[str, Any]:
    """Send and receive what ``storm()`` does, each error read, with nothing in between."""
    heard = told = 0
    with contextlib.ExitStack() as stack:
        sock, gone, peer = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)
        )
        sock.bind((LOOPBACK, 0))
        sock.setblocking(False)
        gone.bind((LOOPBACK, 0))
        closed = gone.getsockname()
        gone.close()
        began = time.perf_counter()
        for number in range(datagrams):
            for _ in range(errors // datagrams):
                sock.sendto(b"?", closed)
            peer.sendto(b"good", sock.getsockname())
            while heard <= number:
                try:
                    sock.recvfrom(65_535)
                    heard += 1
                except BlockingIOError:
                    pass
                except ConnectionResetError:
                    told += 1
        took = time.perf_counter() - began
    return {"heard": heard, "provoked": errors, "told": told, "seconds": took}


async def receive() -> dict[str, Any]:
    """Receive what comes."""
    protocol = await serve(Endpoint)
    return {"rate": protocol.heard / (protocol.last - protocol.first), "count": protocol.heard}


async def send(port: int, size: int, datagrams: int) -> dict[str, Any]:
    """Send so many datagrams, as fast as the transport takes them."""
    protocol = await open_endpoint()
    data = bytes(size)
    for _ in range(datagrams):
        protocol.transport.sendto(data, (LOOPBACK, port))
        if not protocol.writable.is_set():
            await protocol.writable.wait()
    await protocol.done
    protocol.transport.close()
    await asyncio.sleep(0.02)
    return {}


async def storm(errors: int, datagrams: int) -> dict[str, Any]:
    """Meet so many ICMP errors, with good *datagrams* among them, until all are heard or none is.

    The answer has the errors that were provoked, those that the protocol was told of, and the
    seconds until the last good datagram.
    """
    protocol = await open_endpoint()
    port = protocol.transport.get_extra_info("sockname")[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        closed = sock.getsockname()
    provoked = 0
    began = time.perf_counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for number in range(datagrams):
            for _ in range(errors // datagrams):
                protocol.transport.sendto(b"?", closed)
                provoked += 1
            peer.sendto(b"good", (LOOPBACK, port))
            patience = time.perf_counter() + 1
            while protocol.heard <= number and time.perf_counter() < patience:
                await asyncio.sleep(0)
            if protocol.heard <= number:  # deaf
                break
    took = time.perf_counter() - began
    protocol.transport.abort()
    await asyncio.sleep(0.02)
    told = protocol.errors
    return {"heard": protocol.heard, "provoked": provoked, "told": told, "seconds": took}


async def flooded(endpoints: int, work: float, seconds: float) -> dict[str, Any]:
    """Measure how late a sleep of 20 ms ends while so many endpoints are flooded.

    Each datagram takes its handler *work* seconds. ``late`` is the median, in seconds.
    """

    class Busy(Endpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.heard += 1
            until = time.perf_counter() + work
            while time.perf_counter() < until:
                pass

    made = [await open_endpoint(Busy) for _ in range(endpoints)]
    answer(ports=[protocol.transport.get_extra_info("sockname")[1] for protocol in made])
    await asyncio.sleep(0.2)  # until the flood has come
    late = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        due = time.perf_counter() + 0.02
        await asyncio.sleep(0.02)
        late.append(time.perf_counter() - due)
    heard = [protocol.heard for protocol in made]
    for protocol in made:
        protocol.transport.abort()
    await asyncio.sleep(0.05)
    return {"late": sorted(late)[len(late) // 2], "heard": sum(heard), "least": min(heard)}


async def errors_beside(errors: int, datagrams: int, seconds: float) -> dict[str, Any]:
    """Meet so many ICMP *errors* and good *datagrams* a second; ``p99`` is these ones', in seconds.

    Ends early where it is deaf.
    """

    class Dated(Endpoint):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.heard += 1
            took.append(time.perf_counter() - float(data))

    took: list[float] = []
    protocol = await open_endpoint(Dated)
    address = protocol.transport.get_extra_info("sockname")
    own = protocol.transport.get_extra_info("socket").fileno()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        closed = sock.getsockname()
    provoked = sent = 0
    began = time.perf_counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        while (passed := time.perf_counter() - began) < seconds:
            while provoked < passed * errors:
                protocol.transport.sendto(b"?", closed)
                provoked += 1
            if sent < passed * datagrams:
                peer.sendto(repr(time.perf_counter()).encode(), address)
                sent += 1
            if passed > 5 and not took:
                break
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.5)
    kept = protocol.transport.get_extra_info("socket").fileno() == own
    protocol.transport.abort()
    await asyncio.sleep(0.02)
    took.sort()
    return {
        "heard": len(took) / sent,
        "p99": took[len(took) * 99 // 100] if took else seconds,
        "errors": protocol.errors / provoked,
        "kept": int(kept),
    }


async def memory(endpoints: int) -> dict[str, Any]:
    """Measure the peak of memory with so many endpoints at rest.

    ``traced`` is what Python objects took, the buffers of posted receives among them;
    ``working_set`` and ``private`` are the process's, from Windows.
    """
    tracemalloc.start()
    made = [await open_endpoint() for _ in range(endpoints)]
    await asyncio.sleep(0.1)
    traced = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    result = {"traced": traced, **process_memory()}
    for protocol in made:
        protocol.transport.abort()
    await asyncio.sleep(0.1)
    return result


def process_memory() -> dict[str, int]:
    """Return the peaks of this process, in bytes."""
    import ctypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("cb", ctypes.c_uint32),
            ("PageFaultCount", ctypes.c_uint32),
            *(
                (name, ctypes.c_size_t)
                for name in (
                    "PeakWorkingSetSize",
                    "WorkingSetSize",
                    "QuotaPeakPagedPoolUsage",
                    "QuotaPagedPoolUsage",
                    "QuotaPeakNonPagedPoolUsage",
                    "QuotaNonPagedPoolUsage",
                    "PagefileUsage",
                    "PeakPagefileUsage",
                )
            ),
        ]

    counters = Counters()
    kernel = ctypes.CDLL("kernel32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    size = ctypes.sizeof(counters)
    kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), size)
    return {"working_set": counters.PeakWorkingSetSize, "private": counters.PeakPagefileUsage}


async def ipv8(seconds: float, in_flight: int, signed: bool) -> dict[str, Any]:
    """Count the messages that two communities exchange, each on an endpoint of its own."""
    from ipv8_messages import exchange  # beside this script; pyipv8 is not on every Python

    return {"rate": await exchange(seconds, in_flight, signed)}


def answer(**values: Any) -> None:
    """Print one line."""
    print(json.dumps(values), flush=True)


def make_loop(kind: str) -> Any:
    """Return a new event loop of that kind."""
    if kind == "winloop":
        import winloop

        return winloop.new_event_loop()
    if sys.platform != "win32":
        raise SystemExit("the loops that are compared are those of Windows")
    return asyncio.SelectorEventLoop() if kind == "selector" else asyncio.ProactorEventLoop()


COMMANDS: dict[str, Any] = {
    "echo": echo,
    "errors_beside": errors_beside,
    "flooded": flooded,
    "ipv8": ipv8,
    "memory": memory,
    "receive": receive,
    "send": send,
    "storm": storm,
}
WITHOUT_A_LOOP: dict[str, Any] = {"echo": echo_without_a_loop, "storm": storm_without_a_loop}


def main() -> None:
    """Do what each line says, on one event loop."""
    if sys.argv[1] == "none":
        answer(python=sys.version.split()[0], loop="none")
        for line in sys.stdin:
            command: dict[str, Any] = json.loads(line)
            answer(**WITHOUT_A_LOOP[command.pop("do")](**command))
        return
    loop = make_loop(sys.argv[1])
    asyncio.set_event_loop(loop)
    answer(python=sys.version.split()[0], loop=type(loop).__module__)
    for line in sys.stdin:
        command = json.loads(line)
        answer(**loop.run_until_complete(COMMANDS[command.pop("do")](**command)))


if __name__ == "__main__":
    main()
