"""What is left of endpoints that were opened and closed, and of sockets that were replaced.

``python leaks.py ENDPOINTS REBINDS`` prints a line of JSON for each kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import math
import socket
import sys
import time
import tracemalloc
from typing import Any, Awaitable, Callable, NamedTuple

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix._asyncio._ports import PortChange
from tribler_udp_fix._asyncio._rebinding import Rebinder
from tribler_udp_fix._asyncio._sockets import new_socket

LOOPBACK = ("127.0.0.1", 0)
KINDS = ("proactor", "selector", "watched", "rebinds on proactor", "rebinds on selector")


class Left(NamedTuple):
    """What a process has: *traced* bytes that Python has asked for, *private* ones that Windows has
    given it, its *handles*, Python's *objects*, and how many *sockets* are among these."""

    traced: int
    private: int
    handles: int
    objects: int
    sockets: int


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard = 0
        self.errors = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard += 1

    def error_received(self, exc: Exception) -> None:
        self.errors += 1


def left(kind: str, times: int, warm_up: int) -> Left:
    """What *times* more of this *kind* leave, after so many to warm up."""
    assert sys.platform == "win32"
    selects = "selector" in kind
    loop: Any = asyncio.SelectorEventLoop() if selects else asyncio.ProactorEventLoop()
    asyncio.set_event_loop(loop)
    act = _ACTS.get(kind, _rebinds if "rebinds" in kind else _endpoints)
    try:
        found: Left = loop.run_until_complete(_compare(act, kind, times, warm_up))
        return found
    finally:
        asyncio.set_event_loop(None)
        loop.close()


Act = Callable[[str, int], Awaitable[None]]


async def _compare(act: Act, kind: str, times: int, warm_up: int) -> Left:
    tracemalloc.start()
    try:
        await act(kind, warm_up)
        before = await _now()
        await act(kind, times)
        after = await _now()
    finally:
        tracemalloc.stop()
    return Left(*[later - earlier for earlier, later in zip(before, after)])


async def _endpoints(kind: str, times: int) -> None:
    """Open endpoints, let an error fail the first receive at once, be heard, and close."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(LOOPBACK)
        closed = gone.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(times):
            transport, protocol = await loop.create_datagram_endpoint(
                _Protocol, local_addr=LOOPBACK
            )
            watchdog = Watchdog(transport, Settings()) if kind == "watched" else None
            if watchdog is not None:
                watchdog.start()
            for _ in range(2):
                transport.sendto(b"?", closed)
            time.sleep(0.001)  # no turn of the loop: the errors are there before it receives
            peer.sendto(b"good", transport.get_extra_info("sockname"))
            await _until(lambda: protocol.heard)  # noqa: B023
            if watchdog is not None:
                await watchdog.stop()
            transport.close()
            await asyncio.sleep(0)


async def _rebinds(kind: str, times: int) -> None:
    """Give one endpoint another socket, again and again, and be heard on each."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Protocol, local_addr=LOOPBACK)
    address = transport.get_extra_info("sockname")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for number in range(1, times + 1):
            never = PortChange(math.inf)
            await Rebinder(transport, Settings(), never, new_socket).rebind()  # type: ignore[arg-type]
            peer.sendto(b"good", address)
            await _until(lambda: protocol.heard == number)  # noqa: B023
    transport.close()
    await asyncio.sleep(0)


async def _buffers(_kind: str, times: int) -> None:
    """Let receives fail at once, the buffers of which CPython's _overlapped never frees."""
    import _overlapped

    overlapped: Any = _overlapped
    for _ in range(times):
        with contextlib.suppress(OSError):
            overlapped.Overlapped(0).WSARecvFrom(0xFFFFFFFF, 65_535, 0)  # no socket


_ACTS = {"buffers": _buffers}


async def _until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0)


async def _now() -> Left:
    for _ in range(3):
        await asyncio.sleep(0.05)
        gc.collect()
    traced, _ = tracemalloc.get_traced_memory()
    objects = gc.get_objects()
    sockets = sum(isinstance(each, socket.socket) for each in objects)
    return Left(traced, *_of_the_process(), len(objects), sockets)


class _Memory(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS."""

    _fields_ = [("size", ctypes.c_uint32), ("page_faults", ctypes.c_uint32)] + [
        (name, ctypes.c_size_t)
        for name in (
            "peak_working_set",
            "working_set",
            "peak_paged_pool",
            "paged_pool",
            "peak_nonpaged_pool",
            "nonpaged_pool",
            "private",
            "peak_private",
        )
    ]


def _of_the_process() -> tuple[int, int]:
    kernel: Any = ctypes.CDLL("kernel32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    memory, handles = _Memory(), ctypes.c_uint32()
    size = ctypes.sizeof(memory)
    assert kernel.K32GetProcessMemoryInfo(process, ctypes.byref(memory), size)
    assert kernel.GetProcessHandleCount(process, ctypes.byref(handles))
    return memory.private, handles.value


def main(endpoints: int, rebinds: int) -> None:
    """Print a line of JSON for each kind."""
    tribler_udp_fix.install()
    for kind in KINDS:
        times = rebinds if "rebinds" in kind else endpoints
        found = left(kind, times, times // 10)
        print(json.dumps({"kind": kind, "times": times, **found._asdict()}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
