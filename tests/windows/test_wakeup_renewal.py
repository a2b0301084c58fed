"""What goes on around a loop while its wake-up is renewed, and which loops are left alone."""

from __future__ import annotations

import asyncio
import gc
import re
import signal
import socket
import sys
import threading
from typing import Any, Callable

import pytest
from udp import only_on
from watched_loop import INJURIES, QUIET

import tribler_udp_fix
import tribler_udp_fix._asyncio._wakeup as wakeup
from tribler_udp_fix._asyncio._wakeup import UnknownLoop, renew_wakeup, unknown_loop, wakeup_fault
from tribler_udp_fix.testing._wakeup import wakeup_end, wakeup_reset

pytestmark = only_on("3.8", "3.12", "3.13", "3.15")


@pytest.mark.parametrize("injury", INJURIES)
def test_a_loop_can_be_renewed_between_two_runs(watched, injury):
    with injury(watched.loop):
        assert wakeup_fault(watched.loop) is not None
        renew_wakeup(watched.loop)
        assert wakeup_fault(watched.loop) is None
        assert watched.run(watched.hears_thread)


def test_a_loop_can_be_renewed_in_the_turn_in_which_it_begins_to_read(watched):
    async def main():
        with wakeup_end(watched.loop):
            renew_wakeup(watched.loop)
            assert wakeup_fault(watched.loop) is None
            assert await watched.hears_thread()
            assert (await watched.busy())[0] < QUIET

    watched.loop.run_until_complete(main())


def test_a_thread_that_calls_while_its_loop_is_renewed_is_heard(watched, monkeypatch):
    monkeypatch.setattr(wakeup, "RETIRE_AFTER", 3600)  # whose timer would wake the loop
    unheard = []

    def call_often() -> None:
        for _ in range(300):
            heard = threading.Event()
            watched.loop.call_soon_threadsafe(renew_wakeup, watched.loop)
            watched.loop.call_soon_threadsafe(heard.set)
            if not heard.wait(20):
                unheard.append(heard)
                break
        watched.loop.call_soon_threadsafe(watched.loop.stop)

    thread = threading.Thread(target=call_often)
    alarm = watched.loop.call_later(40, watched.loop.stop)
    thread.start()
    watched.loop.run_forever()
    alarm.cancel()
    thread.join()
    assert unheard == []
    assert watched.failures == []


def test_a_child_process_outlives_the_renewal_and_another_can_be_started(proactor):
    async def main():
        command = (sys.executable, "-c", "print(input() * 2)")
        pipes: dict[str, Any] = {
            "stdin": asyncio.subprocess.PIPE,
            "stdout": asyncio.subprocess.PIPE,
        }
        before = await asyncio.create_subprocess_exec(*command, **pipes)
        with wakeup_reset(proactor.loop):
            await asyncio.sleep(0.1)
            renew_wakeup(proactor.loop)
            after = await asyncio.create_subprocess_exec(*command, **pipes)
            for child in (before, after):
                out, _ = await child.communicate(b"ab\n")
                assert out.split() == [b"abab"]
                assert await child.wait() == 0
        await asyncio.sleep(0.05)

    proactor.run(main)


# Python says so where it cannot write to the wake-up descriptor.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("renewed", [False, True], ids=["stock", "renewed"])
def test_a_signal_wakes_a_proactor_loop_only_after_the_renewal(proactor, monkeypatch, renewed):
    async def main():
        with wakeup_reset(proactor.loop):
            await asyncio.sleep(0.1)
            if renewed:
                renew_wakeup(proactor.loop)

            def interrupt(arrived: Callable[[], None]) -> None:
                handlers.append(arrived)
                signal.raise_signal(signal.SIGINT)

            return await proactor.wake(interrupt, 20 if renewed else 1)

    handlers: list[Callable[[], None]] = []
    previous = signal.signal(signal.SIGINT, lambda *_: handlers.pop()())
    try:
        assert proactor.run(main) is renewed
    finally:
        signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("injury", INJURIES)
def test_signals_follow_the_proactor_to_its_new_pair(proactor, injury):
    with injury(proactor.loop):
        renew_wakeup(proactor.loop)
        assert signal.set_wakeup_fd(-1) == proactor.loop._csock.fileno()


def test_signals_that_somebody_else_takes_stay_with_them(watched):
    mine, other = socket.socketpair()
    with mine, other:
        mine.setblocking(False)
        before = signal.set_wakeup_fd(mine.fileno())
        try:
            renew_wakeup(watched.loop)
            with wakeup_end(watched.loop):
                renew_wakeup(watched.loop)
            assert signal.set_wakeup_fd(before) == mine.fileno()
        finally:
            signal.set_wakeup_fd(before)
    renew_wakeup(watched.loop)


def test_the_old_pair_is_closed_a_little_later_or_with_its_loop(watched, monkeypatch):
    async def main():
        monkeypatch.setattr(wakeup, "RETIRE_AFTER", 0.2)
        ssock, csock = watched.loop._ssock, watched.loop._csock
        renew_wakeup(watched.loop)
        assert ssock.fileno() == -1
        assert csock.fileno() != -1
        while csock.fileno() != -1:
            await asyncio.sleep(0.01)

    watched.run(main)
    short_lived = type(watched.loop)()
    kept = short_lived._csock
    renew_wakeup(short_lived)
    short_lived.close()
    assert kept.fileno() != -1
    del short_lived
    gc.collect()
    assert kept.fileno() == -1


def test_a_loop_of_another_thread_is_renewed_there_alone(watched):
    async def main():
        renew_wakeup(watched.loop)
        assert await watched.hears_thread()

        def outside() -> str:
            with pytest.raises(RuntimeError) as raised:
                renew_wakeup(watched.loop)
            return str(raised.value)

        return await watched.loop.run_in_executor(None, outside)

    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(watched.run(main)))
    thread.start()
    thread.join()
    assert "thread" in outcome[0]


# A loop of another package: abstract to mypy.
Foreign: Any = type("Foreign", (asyncio.AbstractEventLoop,), {})


def assert_left_alone(loop: Any, reason: str) -> None:
    """Nothing is told of a loop, and nothing done to it; *reason* is a regular expression."""
    assert re.fullmatch(reason, unknown_loop(loop) or "")
    assert wakeup_fault(loop) is None
    with pytest.raises(UnknownLoop, match=reason):
        renew_wakeup(loop)
    with pytest.raises(UnknownLoop, match=reason), wakeup_end(loop):
        pass


def test_a_loop_that_is_not_known_or_closed_is_left_alone(watched):
    class Other(type(watched.loop)):  # type: ignore[misc]
        def _write_to_self(self) -> None:
            super()._write_to_self()

    other: Any = Other()
    closed = type(watched.loop)()
    closed.close()
    for loop, reason in (
        (other, "Other has a _write_to_self of its own"),
        (Foreign(), "Foreign is no event loop of asyncio's own"),
        (closed, "it is closed"),
    ):
        assert_left_alone(loop, reason)
    other.close()


def test_a_loop_of_another_shape_is_left_alone_and_named_once(watched, monkeypatch, caplog):
    (base,) = (kind.base for kind in wakeup._KINDS if isinstance(watched.loop, kind.base))

    def _write_to_self(self):
        self._wakeup.write(b"\0")

    with monkeypatch.context() as patch:
        patch.setattr(base, "_write_to_self", _write_to_self)
        patch.setattr(wakeup, "_told", set())
        for _ in range(2):
            reason = unknown_loop(watched.loop)
            assert reason == f"{base.__name__}._write_to_self does not use OSError, _csock, send"
        assert caplog.messages == [f"F12 left alone: {reason}"]
        assert wakeup_state() == ("refused", reason)
    assert unknown_loop(watched.loop) is None
    assert wakeup_state()[0] == "off"


def wakeup_state():
    """How F12's repair stands, and why."""
    return next((r.state, r.reason) for r in tribler_udp_fix.status().repairs if r.fault == "F12")
