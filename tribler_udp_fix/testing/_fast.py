"""Event loops whose time runs ahead whenever they have nothing to do."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import sys
import time
from typing import Any, Callable, Iterator

from tribler_udp_fix.testing._targets import FaultUnavailable


def fast_loop(kind: str = "", patience: float = 0.1) -> FastLoop:
    """A new event loop whose time runs ahead when it would wait with nothing ready.

    What would have waited an hour for a timer runs at once, so that a day of timers takes seconds;
    what a callback takes, it takes. The sockets are real. After a send, of whichever socket of
    Python's, the loop waits up to *patience* real seconds for something to come of it before its
    time runs ahead, and likewise while an executor works. ``time.time()`` and
    ``time.monotonic()`` are left alone: nobody who compares them sees a jump.

    *kind* is "proactor" (on Windows) or "selector"; by default the one of asyncio's default policy.
    It returns a ``FastLoop``, which is also an ``asyncio.SelectorEventLoop`` or
    ``asyncio.ProactorEventLoop``. Close it, as any.

    Not imitated: time for what comes unasked. Another process or thread that sends to the loop when
    it pleases finds that hours have passed, and subprocesses have no more time than timers.

    Raises FaultUnavailable for the Proactor on other systems, ValueError for another *kind*.
    """
    kind = kind or ("proactor" if sys.platform == "win32" else "selector")
    if kind == "selector":
        return _FastSelectorLoop(patience)
    if kind != "proactor":
        raise ValueError(f"kind={kind!r}: allowed is 'selector' or 'proactor'")
    if sys.platform == "win32":
        return _FastProactorLoop(patience)
    raise FaultUnavailable("kind='proactor' is Windows' own: possible here is 'selector'")


class _Clock:
    """Lets time run ahead in place of waiting."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.ahead = 0.0
        self.expected = 0  # datagrams, or whatever else was sent, that may be on their way
        self.working = 0  # calls that are in an executor

    def wait(self, select: Callable[[Any], list[Any]], timeout: float | None) -> list[Any]:
        """What ``select(timeout)`` would return, sooner."""
        if timeout is None or timeout <= 0:
            ready = select(timeout)
        else:
            until = time.monotonic() + timeout
            ready = select(0)
            while not ready and (self.expected or self.working):
                left = until - time.monotonic()
                if left <= 0:
                    return ready
                ready = select(min(left, self.patience))
                if not ready:
                    self.expected = 0
            if not ready:
                self.ahead += max(0.0, until - time.monotonic())
        self.expected = max(0, self.expected - len(ready))
        return ready


class FastLoop(asyncio.BaseEventLoop):
    """What ``fast_loop()`` returns: one of asyncio's event loops, on a clock that runs ahead."""

    _clock: _Clock

    @property
    def ahead(self) -> float:
        """By how many seconds ``time()`` has run ahead so far."""
        return self._clock.ahead

    @property
    def patience(self) -> float:
        """For how many seconds, at most, the loop waits for what was sent."""
        return self._clock.patience

    def time(self) -> float:
        """The loop's time, in seconds."""
        return super().time() + self._clock.ahead

    def run_forever(self) -> None:
        """As any loop, counting what is sent."""
        with _counting_sends(self._clock):
            super().run_forever()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """As any loop, which waits for it."""
        future: Any = super().run_in_executor(executor, func, *args)
        self._clock.working += 1
        future.add_done_callback(self._has_worked)
        return future

    def _has_worked(self, _future: Any) -> None:
        self._clock.working -= 1


class _FastSelector(selectors.DefaultSelector):
    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        return self._clock.wait(super().select, timeout)


class _FastSelectorLoop(FastLoop, asyncio.SelectorEventLoop):
    def __init__(self, patience: float) -> None:
        self._clock = _Clock(patience)
        super().__init__(_FastSelector(self._clock))


if sys.platform == "win32":

    class _FastProactor(asyncio.IocpProactor):
        def __init__(self, clock: _Clock) -> None:
            super().__init__()
            self._clock = clock

        def select(self, timeout: float | None = None) -> list[Any]:
            return self._clock.wait(super().select, timeout)

        def send(self, *args: Any, **kwargs: Any) -> Any:
            with self._counting():
                return super().send(*args, **kwargs)

        def sendto(self, *args: Any, **kwargs: Any) -> Any:
            with self._counting():
                return super().sendto(*args, **kwargs)

        @contextlib.contextmanager
        def _counting(self) -> Iterator[None]:
            before = self._clock.expected
            yield
            if self._clock.expected == before:  # not sent through the socket, which counts
                self._clock.expected += 2  # its own completion, and what comes of it

    class _FastProactorLoop(FastLoop, asyncio.ProactorEventLoop):
        def __init__(self, patience: float) -> None:
            self._clock = _Clock(patience)
            super().__init__(_FastProactor(self._clock))


_SENDS = ("send", "sendto")
_clocks: list[_Clock] = []


@contextlib.contextmanager
def _counting_sends(clock: _Clock) -> Iterator[None]:
    """Count what is sent through any socket of Python's, be it the loop's or not."""
    if not _clocks:
        for name in _SENDS:
            # socket.socket inherits them from its base in C, where nothing can be replaced.
            setattr(socket.socket, name, _counted(getattr(socket.socket, name)))
    _clocks.append(clock)
    try:
        yield
    finally:
        _clocks.remove(clock)
        if not _clocks:
            for name in _SENDS:
                delattr(socket.socket, name)


def _counted(method: Callable[..., int]) -> Callable[..., int]:
    def send(self: socket.socket, *args: Any) -> int:
        for clock in _clocks:
            clock.expected += 1
        return method(self, *args)

    return send
