"""What goes on around Linux's selector loop while its wake-up is renewed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from typing import Any, Iterator

import pytest
from test_wakeup_renewal import (
    Foreign,
    assert_left_alone,
    test_a_thread_that_calls_while_its_loop_is_renewed_is_heard,  # noqa: F401
    test_signals_that_somebody_else_takes_stay_with_them,  # noqa: F401
    test_the_old_pair_is_closed_a_little_later_or_with_its_loop,  # noqa: F401
)
from watched_loop import INJURIES, Watched, watching

import tribler_udp_fix._asyncio._wakeup as wakeup
from tribler_udp_fix._asyncio._wakeup import renew_wakeup, unknown_loop, wakeup_fault
from tribler_udp_fix.testing._wakeup import wakeup_end, wakeup_reset

if sys.platform == "win32":
    pytest.skip("tests/windows has its own", allow_module_level=True)


@pytest.fixture
def watched() -> Iterator[Watched]:
    with watching(asyncio.SelectorEventLoop()) as watched:
        yield watched


class SlowToConnect(socket.socket):
    """A writing end that learns late that it is connected, as one of Windows may."""

    def send(self, data: Any, flags: int = 0, /) -> int:
        if self.gettimeout() == 0 and not getattr(self, "connected", False):
            raise BlockingIOError(10035, "not connected yet")
        self.connected = True  # whoever may wait has waited
        return super().send(data, flags)


def test_a_writing_end_that_is_slow_to_connect_is_waited_for(watched, monkeypatch):
    def slow_pair() -> tuple[socket.socket, socket.socket]:
        ssock, csock = pair()
        return ssock, SlowToConnect(fileno=csock.detach())

    async def main():
        monkeypatch.setattr(socket, "socketpair", slow_pair)
        renew_wakeup(watched.loop)
        assert await watched.hears_thread()

    pair = socket.socketpair
    watched.run(main)
    assert watched.failures == []


def test_where_there_is_no_pair_to_be_had_the_old_one_stays_and_no_socket_is_left(
    watched, monkeypatch
):
    def dead_pair() -> tuple[socket.socket, socket.socket]:
        made.extend(pair())
        made[0].close()
        return made[0], made[1]

    async def main():
        old = watched.loop._ssock, watched.loop._csock
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socketpair", dead_pair)
            with pytest.raises(OSError, match="Broken pipe"):
                renew_wakeup(watched.loop)
        assert (watched.loop._ssock, watched.loop._csock) == old
        assert await watched.hears_thread()

    made: list[socket.socket] = []
    pair = socket.socketpair
    watched.run(main)
    assert [sock.fileno() for sock in made] == [-1, -1]


@pytest.mark.parametrize("injury", INJURIES)
def test_a_signal_is_handled_after_the_renewal(watched, injury):
    async def main():
        handled = asyncio.Event()
        watched.loop.add_signal_handler(signal.SIGUSR1, handled.set)
        with injury(watched.loop):
            renew_wakeup(watched.loop)
            os.kill(os.getpid(), signal.SIGUSR1)
            await asyncio.wait_for(handled.wait(), 20)
        watched.loop.remove_signal_handler(signal.SIGUSR1)

    watched.run(main)


def test_looking_for_a_fault_costs_no_signal(watched):
    async def main():
        handled = asyncio.Event()
        watched.loop.add_signal_handler(signal.SIGUSR1, handled.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert wakeup_fault(watched.loop) is None
        await asyncio.wait_for(handled.wait(), 20)

    watched.run(main)


def test_a_signal_that_waits_in_the_old_pair_is_handled(watched):
    async def main():
        handled = asyncio.Event()
        watched.loop.add_signal_handler(signal.SIGUSR1, handled.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        with wakeup_end(watched.loop):
            renew_wakeup(watched.loop)
            await asyncio.wait_for(handled.wait(), 20)

    watched.run(main)


@pytest.mark.parametrize("end", ["_ssock", "_csock"])
def test_an_end_that_somebody_closed_is_renewed_with_its_signals(watched, end):
    async def main():
        handled = asyncio.Event()
        watched.loop.add_signal_handler(signal.SIGUSR1, handled.set)
        getattr(watched.loop, end).close()
        assert wakeup_fault(watched.loop) is not None
        renew_wakeup(watched.loop)
        assert wakeup_fault(watched.loop) is None
        assert await watched.hears_thread()
        watched.loop.add_signal_handler(signal.SIGUSR1, handled.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(handled.wait(), 20)

    watched.run(main)


def test_a_child_process_outlives_the_renewal_and_another_can_be_started():
    # asyncio.run(), because before 3.12 a child is watched in the thread's current loop.
    async def main():
        loop = asyncio.get_running_loop()
        pipes: dict[str, Any] = {
            "stdin": asyncio.subprocess.PIPE,
            "stdout": asyncio.subprocess.PIPE,
        }
        before = await asyncio.create_subprocess_exec("cat", **pipes)
        with wakeup_reset(loop):
            renew_wakeup(loop)
            after = await asyncio.create_subprocess_exec("cat", **pipes)
            for child in (before, after):
                assert (await child.communicate(b"heard"))[0] == b"heard"
                assert await child.wait() == 0

    asyncio.run(asyncio.wait_for(main(), 60))


def test_in_another_thread_the_old_writing_end_stays_open_for_signals(watched, monkeypatch):
    monkeypatch.setattr(wakeup, "RETIRE_AFTER", 0)

    async def main():
        csock = watched.loop._csock
        renew_wakeup(watched.loop)
        assert await watched.hears_thread()
        return csock

    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(watched.run(main)))
    thread.start()
    thread.join()
    assert outcome[0].fileno() != -1


def test_a_loop_is_renewed_in_its_own_thread_alone(watched):
    async def main():
        with pytest.raises(RuntimeError, match="thread"):
            await watched.loop.run_in_executor(None, renew_wakeup, watched.loop)

    watched.run(main)


def test_a_loop_that_is_not_known_is_left_alone(watched):
    base: Any = asyncio.SelectorEventLoop

    class Other(base):  # type: ignore[misc]
        def _write_to_self(self) -> None:
            pass

    class Embedded(base):  # type: ignore[misc]
        def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
            return self.call_soon(callback, *args, context=context)

    other, embedded, blocking, closed = Other(), Embedded(), base(), base()
    blocking._csock.setblocking(True)
    closed.close()
    for loop, reason in (
        (other, "Other has a _write_to_self of its own"),
        (embedded, "Embedded has a call_soon_threadsafe of its own"),
        (blocking, "it is woken by .*, which is no non-blocking socket"),
        (closed, "it is closed"),
        (Foreign(), "Foreign is no event loop of asyncio's own"),
    ):
        assert_left_alone(loop, reason)
    for loop in (other, embedded, blocking):
        loop.close()
    assert unknown_loop(watched.loop) is None
