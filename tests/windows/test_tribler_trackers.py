"""Tribler's UDP trackers: as it asks them by itself, and each from a socket of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import struct
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest
from udp import closed_address, only_on

import tribler_udp_fix
from tribler_udp_fix import Settings
from tribler_udp_fix._tribler import _trackers
from tribler_udp_fix._tribler._names import TRACKERS, TRACKERS_7

pytestmark = only_on("3.12")

STAND_IN = Path(__file__).parent / "stand_in"


@pytest.fixture(params=[TRACKERS, TRACKERS_7], ids=["8", "7"])
def trackers(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Tribler's module."""
    theirs = [name for name in sys.modules if name.partition(".")[0] == "tribler"]
    for name in theirs:
        monkeypatch.delitem(sys.modules, name)
    version = "version8" if request.param == TRACKERS else "version7"
    monkeypatch.syspath_prepend(str(STAND_IN / version))
    yield importlib.import_module(request.param)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tribler"]:
        del sys.modules[name]


@pytest.fixture(params=["alone", "off", "on"])
def plugin(request: Any, trackers: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Tribler alone, the plugin with ``tracker_sockets`` off, and as it is."""
    monkeypatch.setattr(_trackers, "IDLE", 0.05)
    if request.param != "alone":
        tribler_udp_fix.install(Settings(tracker_sockets=request.param == "on"))
        states = {each.fault: each.state for each in tribler_udp_fix.status().repairs}
        assert states["trackers"] == "applied"
    yield request.param
    if request.param != "alone":
        tribler_udp_fix.install(Settings())
        tribler_udp_fix.uninstall()
    assert not hasattr(trackers.UdpSocketManager.send_request, "__wrapped__")


class Tracker(asyncio.DatagramProtocol):
    """Answers each request with its number, from *elsewhere* if that is given."""

    def __init__(self, elsewhere: Any = None) -> None:
        self.elsewhere = elsewhere

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        (self.elsewhere or self).transport.sendto(struct.pack("!i", 0) + data[12:16], addr)


def _asked(trackers: Any, main: Any) -> Any:
    async def run() -> Any:
        loop = asyncio.get_running_loop()
        listening, manager = await loop.create_datagram_endpoint(
            trackers.UdpSocketManager, local_addr=("127.0.0.1", 0)
        )

        async def ask(address: Any, number: int, timeout: float = 2.0) -> Any:
            session = trackers.UdpTrackerSession(address[:2], number, timeout)
            request = struct.pack("!qii", 0x41727101980, 0, number)
            return await asyncio.wait_for(manager.send_request(request, session), timeout)

        made = []

        async def tracker(elsewhere: Any = None) -> Any:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: Tracker(elsewhere), local_addr=("127.0.0.1", 0)
            )
            made.append(transport)
            return protocol, transport.get_extra_info("sockname")

        try:
            return await main(ask, tracker)
        finally:
            for transport in (*made, listening):
                transport.close()
            await asyncio.sleep(0.15)

    return asyncio.run(run())


def test_one_dead_tracker_is_no_trouble_for_another(trackers, plugin):
    async def main(ask, tracker):
        _, live = await tracker()
        dead = await asyncio.gather(
            *(ask(closed_address(), number, 0.3) for number in range(3)), return_exceptions=True
        )
        return dead, await asyncio.gather(ask(live, 7, 0.5), return_exceptions=True)

    dead, (answer,) = _asked(trackers, main)
    if plugin == "on":
        assert [type(each) for each in dead] == [RuntimeError] * 3  # at once, and each its own
        assert all("Unable to write to socket" in str(each) for each in dead)
    else:
        assert all(isinstance(each, asyncio.TimeoutError) for each in dead)
    deafened = plugin == "alone" and sys.platform == "win32"
    if deafened:
        assert isinstance(answer, asyncio.TimeoutError)
    else:
        assert answer == struct.pack("!ii", 0, 7)


def test_only_the_tracker_itself_can_answer(trackers, plugin):
    async def main(ask, tracker):
        stranger, _ = await tracker()
        _, address = await tracker(elsewhere=stranger)
        return await asyncio.gather(ask(address, 7, 0.3), return_exceptions=True)

    (answer,) = _asked(trackers, main)
    if plugin == "on":
        assert isinstance(answer, asyncio.TimeoutError)
    else:
        assert answer == struct.pack("!ii", 0, 7)  # forged


def test_silent_trackers_keep_no_other_from_being_asked(trackers, plugin):
    class Silent(Tracker):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            pass

    async def main(ask, tracker):
        with contextlib.ExitStack() as stack:
            silent = []
            for _ in range(64):  # as many as the pool has sockets
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    Silent, local_addr=("127.0.0.1", 0)
                )
                stack.callback(transport.close)
                silent.append(transport.get_extra_info("sockname"))
            _, live = await tracker()
            addresses = [*silent, live]
            asking = [ask(address, number, 1.0) for number, address in enumerate(addresses)]
            answers = await asyncio.gather(*asking, return_exceptions=True)
            return answers, await ask(live, 99, 1.0)

    (*silent, answer), later = _asked(trackers, main)
    assert [type(each) for each in silent] == [asyncio.TimeoutError] * 64
    assert answer == struct.pack("!ii", 0, 64)
    assert later == struct.pack("!ii", 0, 99)


def test_a_url_that_cannot_be_asked_is_told_as_tribler_tells_it(trackers, plugin):
    async def main(ask, _tracker):
        return await asyncio.gather(ask(("127.0.0.1", 0), 7, 0.3), return_exceptions=True)

    (answer,) = _asked(trackers, main)
    expected = RuntimeError if plugin == "on" else (asyncio.TimeoutError, RuntimeError)
    assert isinstance(answer, expected)
