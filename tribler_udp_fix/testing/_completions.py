"""What can become of the receives that a ProactorEventLoop's transport has posted."""

from __future__ import annotations

import contextlib
import sys
from asyncio import windows_events
from typing import Any, Iterator, NamedTuple

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix.testing._seam import Call, hooked
from tribler_udp_fix.testing._targets import is_over, is_repaired, not_reading

_TRIES = 200
_OverlappedFuture: Any = windows_events._OverlappedFuture  # type: ignore[attr-defined]


@contextlib.contextmanager
def _lost(transport: Any) -> Iterator[None]:
    """The completion of the posted receive comes to nobody."""
    _reading(transport)
    lost = _lose_posted(transport)
    if lost is None:  # its outcome is on its way already, so it is the next one that is lost
        with _losing(transport, [], only_one=True):
            yield
        return
    try:
        yield
    finally:
        if not is_over(transport) and transport._read_fut is lost.future:
            lost.give_back()


@contextlib.contextmanager
def _deaf(transport: Any) -> Iterator[None]:
    """No receive completes, nor does the socket have anything at once."""
    _reading(transport)
    never = _never_completing(transport)
    with _losing(transport, [never], only_one=False):
        old = transport._read_fut
        if old is not None and not old.done():
            transport._read_fut = never
            never.add_done_callback(transport._loop_reading)
            _forget(transport, old)
        yield


@contextlib.contextmanager
def _dead(transport: Any) -> Iterator[None]:
    """No receive is posted."""
    _reading(transport)
    never = _never_completing(transport)
    posted: list[Any] = []

    def stop(post: Call) -> Any:
        if posted:
            return post()
        posted.append(never)
        transport._loop.call_soon(_take_away, transport, never)
        return never

    old = transport._read_fut
    with contextlib.ExitStack() as stack:
        if old is not None and not old.done():
            transport._read_fut = None
            _forget(transport, old)
        else:  # its outcome is on its way; the next one is posted soon, and is the one to go
            stack.enter_context(hooked(transport, post=stop))
        stack.callback(_revive, transport, [None, never])
        yield


FAULTS = {"lost": _lost, "deaf": _deaf, "dead": _dead}


def _reading(transport: Any) -> None:
    if transport._read_fut is None and not getattr(transport, "reading", False):
        raise not_reading(transport)


def _forget(transport: Any, future: Any) -> None:
    """Cancel a posted receive without telling the transport."""
    future.remove_done_callback(transport._loop_reading)
    future.cancel()


def _take_away(transport: Any, never: Any) -> None:
    if transport._read_fut is never:
        transport._read_fut = None


class _Lost(NamedTuple):
    """A receive whose completion goes to ``sink``; ``entry`` is what the proactor had of it."""

    future: Any
    entry: Any
    sink: Any
    cache: Any

    def give_back(self) -> None:
        """Let the completion come to the future after all, be it late."""
        _, ov, _, result = self.entry
        if not self.sink.done():
            self.cache[ov.address] = self.entry
            return
        try:
            value = result(None, None, ov)
        except OSError as exc:
            self.future.set_exception(exc)
        else:
            self.future.set_result(value)


def _lose_posted(transport: Any) -> _Lost | None:
    """Take the posted receive out of the transport's hands; None where none is pending."""
    future = transport._read_fut
    ov = getattr(future, "_ov", None)
    if future is None or future.done() or ov is None:
        return None
    cache = transport._loop._proactor._cache
    entry = cache[ov.address]
    # The proactor waits, when it is closed, for what is in its cache; so the operation stays there,
    # under a future that cancels it as the real one would.
    sink = _OverlappedFuture(ov, loop=transport._loop)
    cache[ov.address] = (sink, ov, entry[2], _discard)
    return _Lost(future, entry, sink, cache)


def _discard(_transferred: Any, _key: Any, _ov: Any) -> None:
    """Not the operation's result: whoever looks finds there what it has received."""


@contextlib.contextmanager
def _losing(transport: Any, lost: list[Any], *, only_one: bool) -> Iterator[None]:
    """Lose what is posted, the next one or each; *lost* are those that already are."""

    def lose(post: Call) -> Any:
        if only_one and lost:
            return post()
        lost.append(_never_completing(transport))
        return lost[-1]

    def receive(at_once: Call) -> Any:
        if only_one:
            return at_once()
        raise BlockingIOError

    try:
        with hooked(transport, post=lose, receive=receive):
            yield
    finally:
        _revive(transport, lost)


def _revive(transport: Any, lost: list[Any]) -> None:
    """Have the transport read again if what it has posted is among *lost*."""
    if not is_over(transport) and transport._read_fut in lost:
        _rearm(transport)


def _rearm(transport: Any) -> None:
    """Make it read again; each ICMP error that waits fails one more receive of a stock one."""
    if is_repaired(transport):
        transport.rearm()
        return
    lost, transport._read_fut = transport._read_fut, None
    if lost is not None:
        _forget(transport, lost)
    for _ in range(_TRIES):
        transport._loop_reading()
        if transport._read_fut is not None or transport.is_closing():
            break


def _never_completing(transport: Any) -> Any:
    """What looks like a posted receive."""
    return _OverlappedFuture(_NeverCompleting(), loop=transport._loop)


class _NeverCompleting:
    """What looks like an operation under way; cancelling it is as fruitless as waiting."""

    address = 0
    pending = True

    def cancel(self) -> None:
        """Change nothing."""
