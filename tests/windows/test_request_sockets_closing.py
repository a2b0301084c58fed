"""Closing the pool of request sockets: from elsewhere, twice, and too late; and what it raises."""

from __future__ import annotations

import asyncio
import copy
import pickle
import socket
import threading
from typing import Any

import pytest
import test_request_sockets
from test_request_sockets import server
from udp import only_on

import tribler_udp_fix
from tribler_udp_fix import DestinationUnreachable, RequestSockets

pytestmark = only_on("3.10", "3.12", "3.13")
loop, ask = test_request_sockets.loop, test_request_sockets.ask


def socket_of(sockets: RequestSockets) -> Any:
    (destination,) = sockets._open.values()
    assert destination._current is not None
    return destination._current.transport.get_extra_info("socket")


def test_closing_twice_is_once_and_whoever_asks_then_is_told(loop):
    async def main():
        async with server() as asked, server(silent=9) as silent:
            sockets = RequestSockets()
            assert await sockets.ask(asked.address, b"?") == b"?"
            waiting = asyncio.ensure_future(sockets.ask(silent.address, b"?"))
            await asyncio.sleep(0.05)
            await asyncio.gather(sockets.close(), sockets.close())
            await sockets.close()
            with pytest.raises(ConnectionAbortedError, match="the sockets were closed"):
                await waiting
            with pytest.raises(RuntimeError, match="the sockets were closed"):
                await sockets.ask(asked.address, b"?")
            assert sockets.counters["opened"] == sockets.counters["closed"] == 2

    loop.run_until_complete(main())


def test_it_may_be_closed_from_another_thread_while_its_loop_runs(loop):
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    loop.set_debug(True)  # which complains of calls from other threads

    async def main():
        async with server(silent=9) as silent:
            sockets = RequestSockets()
            waiting = asyncio.ensure_future(sockets.ask(silent.address, b"?", timeout=20))
            while not silent.asked:
                await asyncio.sleep(0.01)
            raised: list[Any] = []

            def close() -> None:
                try:
                    asyncio.run(sockets.close())
                except BaseException as exc:
                    raised.append(exc)

            thread = threading.Thread(target=close)
            thread.start()
            with pytest.raises(ConnectionAbortedError):
                await asyncio.wait_for(waiting, 5)
            while thread.is_alive():
                await asyncio.sleep(0.01)
            assert raised == []
            assert sockets.counters["closed"] == 1

    loop.run_until_complete(main())
    assert complaints == []


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "stopped"])
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")  # of the closed loop
def test_it_may_be_closed_when_its_loop_runs_no_more(is_closed):
    async def asking() -> RequestSockets:
        sockets = RequestSockets()
        async with server() as asked:
            assert await sockets.ask(asked.address, b"?") == b"?"
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        return sockets

    first = asyncio.new_event_loop()
    sockets = first.run_until_complete(asking())
    sock = socket_of(sockets)
    if is_closed:
        first.close()

    async def close() -> None:
        await asyncio.wait_for(sockets.close(), 5)
        with pytest.raises(RuntimeError, match="the sockets were closed"):
            await sockets.ask(("127.0.0.1", 9), b"?")

    second = asyncio.new_event_loop()
    second.run_until_complete(close())
    second.close()
    if not is_closed:
        first.run_until_complete(asyncio.sleep(0.01))
        first.close()
    assert sock.fileno() == -1
    assert sockets.counters["closed"] == 1


def errors() -> list[BaseException]:
    cause = OSError(10054, "nobody is there")
    made = DestinationUnreachable(("192.0.2.1", 6969, 0, 0), cause)
    made.more = "what somebody has added"  # type: ignore[attr-defined]
    windows = DestinationUnreachable(("192.0.2.1", 6969), WindowsOSError(0, "x", None, 1234))
    kinds = [
        found
        for found in (getattr(tribler_udp_fix, name) for name in tribler_udp_fix.__all__)
        if isinstance(found, type) and issubclass(found, tribler_udp_fix.RequestFailed)
    ]
    assert len(kinds) == 4
    return [made, windows, *(kind("no answer", 3) for kind in kinds)]


class WindowsOSError(OSError):
    """One that has the number of Windows, on any system."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.winerror = args[3]


@pytest.mark.parametrize("error", errors(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_its_errors_can_be_copied_and_pickled(error, way):
    again = way(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)
    for name in ("errno", "strerror", "winerror", "address", "attempts", "more"):
        assert getattr(again, name, None) == getattr(error, name, None)
    assert type(again.__cause__) is type(error.__cause__)
    assert str(again.__cause__) == str(error.__cause__)
    assert isinstance(again, (socket.error, tribler_udp_fix.RequestFailed))
