"""What goes on around Linux's selector loop while its wake-up is renewed."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
from typing import Any, Iterator

import pytest

import tribler_udp_fix._wakeup as wakeup
from tribler_udp_fix._wakeup import UnknownLoop, renew_wakeup, unknown_loop, wakeup_fault
from tribler_udp_fix.testing._wakeup import wakeup_cut, wakeup_end, wakeup_reset

from .watched_loop import Watched

if sys.platform == "win32":
    pytest.skip("tests/windows has its own", allow_module_level=True)

INJURIES = [wakeup_reset, wakeup_end, wakeup_cut]


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.loop.close()
    gc.collect()  # a socket that nobody closed is a ResourceWarning, and so an error


def test_a_thread_that_calls_while_its_loop_is_renewed_is_heard(watched, monkeypatch):
    monkeypatch.setattr(wakeup, "RETIRE_AFTER", 3600)  # whose timer would wake the loop
    heard = []

    def call_often() -> None:
        for _ in range(300):
            called = threading.Event()
            watched.loop.call_soon_threadsafe(renew_wakeup, watched.loop)
            watched.loop.call_soon_threadsafe(called.set)
            heard.append(called.wait(20))
            if not heard[-1]:
                break
        watched.loop.call_soon_threadsafe(watched.loop.stop)

    thread = threading.Thread(target=call_often)
    alarm = watched.loop.call_later(40, watched.loop.stop)
    thread.start()
    watched.loop.run_forever()
    alarm.cancel()
    thread.join()
    assert heard == [True] * 300
    assert watched.failures == []


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


def test_signals_that_somebody_else_takes_stay_with_them(watched):
    mine, other = socket.socketpair()
    with mine, other:
        mine.setblocking(False)
        before = signal.set_wakeup_fd(mine.fileno())
        try:
            renew_wakeup(watched.loop)
        finally:
            after = signal.set_wakeup_fd(before)
        assert after == mine.fileno()


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


def test_the_old_pair_is_closed_a_little_later_or_with_its_loop(watched, monkeypatch):
    async def main():
        monkeypatch.setattr(wakeup, "RETIRE_AFTER", 0.1)
        ssock, csock = watched.loop._ssock, watched.loop._csock
        renew_wakeup(watched.loop)
        assert ssock.fileno() == -1
        assert csock.fileno() != -1
        while csock.fileno() != -1:
            await asyncio.sleep(0.01)

    watched.run(main)
    short_lived: Any = asyncio.SelectorEventLoop()
    kept = short_lived._csock
    renew_wakeup(short_lived)
    short_lived.close()
    assert kept.fileno() != -1
    del short_lived
    gc.collect()
    assert kept.fileno() == -1


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

    class Foreign(asyncio.AbstractEventLoop):
        pass

    foreign: Any = Foreign
    other, embedded, blocking, closed = Other(), Embedded(), base(), base()
    blocking._csock.setblocking(True)
    closed.close()
    for loop, reason in (
        (other, "Other has a _write_to_self of its own"),
        (embedded, "Embedded has a call_soon_threadsafe of its own"),
        (blocking, "no non-blocking socket"),
        (closed, "it is closed"),
        (foreign(), "Foreign is no event loop of asyncio's own"),
    ):
        assert reason in (unknown_loop(loop) or "")
        assert wakeup_fault(loop) is None
        with pytest.raises(UnknownLoop, match=reason):
            renew_wakeup(loop)
        with pytest.raises(UnknownLoop, match=reason), wakeup_end(loop):
            pass
    for loop in (other, embedded, blocking):
        loop.close()
    assert unknown_loop(watched.loop) is None
