"""The event loop's own wake-up: a pair of sockets that other threads and signals write to.

On Windows the pair is a TCP connection over loopback, and what cuts such connections (sleep and
resume, a filter driver that is reloaded) cuts it too. At its end both loops turn without pause, at
100% CPU (gh-156333, gh-156344). After a reset SelectorEventLoop raises 10054 in every turn (Tribler
issue 8682), and ProactorEventLoop logs one error and never reads again; a writing end that fails
does so unseen (gh-156054): then ``call_soon_threadsafe()``, and with it ``run_in_executor()``,
wakes nobody. Here the fault is recognised, and the loop gets a new pair.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import operator
import signal
import socket
import weakref
from asyncio.base_events import BaseEventLoop
from asyncio.proactor_events import BaseProactorEventLoop
from asyncio.selector_events import BaseSelectorEventLoop
from typing import Any, Callable, NamedTuple

from tribler_udp_fix._patching._patches import OneOf, Shape, first_mismatch

logger = logging.getLogger("tribler_udp_fix")

# Seconds until a replaced writing end is closed. A thread that was about to write to it must not
# meet a closed handle: its number may by then be another socket's.
RETIRE_AFTER = 1.0

# Seconds, at most, until a new writing end knows that it is connected.
CONNECT_TIMEOUT = 1.0


class UnknownLoop(Exception):
    """The loop's wake-up is not one that is known here, so that it is left alone."""


class _Kind(NamedTuple):
    """What is known of one base class of event loops."""

    base: type
    # Of each method those that it has had.
    shapes: tuple[OneOf, ...]
    # Why nothing will take what arrives at the loop's reading end, or None.
    reader_fault: Callable[[Any], str | None]
    # Makes the loop read from another socket; returns the numbers of signals that waited.
    move_reader: Callable[[Any, socket.socket], bytes]


def unknown_loop(loop: asyncio.AbstractEventLoop) -> str | None:
    """Why the wake-up of *loop* is left alone, or None where it is looked after.

    Known are asyncio's own SelectorEventLoop and ProactorEventLoop while they are open, and
    subclasses that leave the wake-up to them; uvloop and winloop are not.
    """
    kind = _kind_of(loop)
    return kind if isinstance(kind, str) else None


def refused() -> str | None:
    """Why the wake-up of asyncio's own event loops is left alone, or None where both are known."""
    reasons = (first_mismatch(kind.shapes) for kind in _KINDS)
    return next((reason for reason in reasons if reason is not None), None)


def wakeup_fault(loop: asyncio.AbstractEventLoop) -> str | None:
    """Why no thread can wake *loop*, or why its wake-up keeps it busy; None where it is sound.

    None, too, for a loop that `unknown_loop` knows nothing of. Call it on the loop's thread. It
    takes nothing that waits to be read, raises nothing, and costs two system calls. It does not
    see a completion that Windows lost: that leaves no trace.
    """
    kind = _kind_of(loop)
    if isinstance(kind, str):
        return None
    known: Any = loop
    end_fault = _end_fault("reading", known._ssock) or _end_fault("writing", known._csock)
    return end_fault or kind.reader_fault(known)


def renew_wakeup(loop: asyncio.AbstractEventLoop) -> None:
    """Give *loop* a new pair of wake-up sockets, in place, and wake it once.

    Call it on the loop's thread, in a callback or while the loop does not run. No thread's wake-up
    is lost: its callback was queued before it wrote, and the loop looks there before it sleeps.
    Signals that wait in the old pair are handled, those that met a dead writing end are lost to
    ``add_signal_handler()``. ``signal.set_wakeup_fd()`` follows to the new pair where it was set
    to the old one; only the main thread can see to that.

    Raises UnknownLoop for a loop that `unknown_loop` objects to, RuntimeError when the loop runs
    in another thread, and OSError where there is no new pair to be had; the old one stays then.
    """
    kind = _kind_of(loop)
    if isinstance(kind, str):
        raise UnknownLoop(f"cannot renew the wake-up of {loop!r}: {kind}")
    if loop.is_running() and asyncio._get_running_loop() is not loop:
        raise RuntimeError("renew_wakeup() belongs on the thread that runs the loop")
    known: Any = loop
    ssock, csock = _woken_pair()
    old_ssock, old_csock = known._ssock, known._csock
    known._csock = csock  # from here on threads write to the new one
    moved = move_wakeup_fd(old_csock.fileno(), csock.fileno())
    try:
        signals = kind.move_reader(known, ssock)
        if signals:
            csock.send(signals)
    finally:
        old_ssock.close()
        # Threads and signals may still write to this one. Closing the loop drops the timer.
        close = weakref.finalize(loop, old_csock.close)
        if moved:
            loop.call_later(RETIRE_AFTER, close)


def move_wakeup_fd(old: int, new: int) -> bool:
    """Let signals write to *new* where they wrote to *old* (file descriptors; -1: closed).

    False where that cannot be told, which is everywhere but in the main thread.
    """
    try:
        current = signal.set_wakeup_fd(new)
    except ValueError:  # another thread, or a subinterpreter's
        return False
    if current != old or old == -1:
        try:  # Somebody else's. Its warn_on_full_buffer cannot be asked for: the default again.
            signal.set_wakeup_fd(current)
        except (OSError, ValueError):  # A closed socket: the loop's own, if that is closed.
            if old != -1:
                signal.set_wakeup_fd(-1)
    return True


def _woken_pair() -> tuple[socket.socket, socket.socket]:
    """A reading end with a wake-up in it, and its writing end; raises OSError, and leaves none.

    On Windows the writing end is connected without blocking, and may learn of it after the other
    end was accepted. Until then it refuses what threads write to it (10035), of which asyncio says
    nothing: so it is waited for here.
    """
    ssock, csock = socket.socketpair()
    try:
        csock.settimeout(CONNECT_TIMEOUT)
        csock.send(b"\0")
        csock.setblocking(False)
        ssock.setblocking(False)
    except BaseException:  # an interrupt, too, must leave no socket behind
        ssock.close()
        csock.close()
        raise
    return ssock, csock


def _kind_of(loop: Any) -> _Kind | str:
    """The kind of *loop*, or why its wake-up is left alone."""
    of = type(loop)
    kind = next((kind for kind in _KINDS if isinstance(loop, kind.base)), None)
    if kind is None:
        return f"{of.__name__} is no event loop of asyncio's own"
    methods = []
    for method in kind.shapes:
        owner, name, *_ = method.shapes[-1]
        methods.append(vars(owner).get(name))
        if getattr(of, name, None) is not methods[-1]:
            return f"{of.__name__} has a {name} of its own"
    if loop.is_closed():
        return "it is closed"
    reason = _mismatch(kind, methods)
    if reason is not None:
        if reason not in _told:
            _told.add(reason)
            logger.warning("F12 left alone: %s", reason)
        return reason
    for end in (getattr(loop, "_ssock", None), getattr(loop, "_csock", None)):
        # To peek at a blocking socket would block the loop.
        if not isinstance(end, socket.socket) or end.gettimeout() != 0:
            return f"it is woken by {end!r}, which is no non-blocking socket"
    return kind


def _mismatch(kind: _Kind, methods: list[Any]) -> str | None:
    """Why the *methods* of *kind* are not those known here, or None; looked at anew once replaced.

    The watchdog asks twice a second, and a look at signatures takes longer than all else it does.
    """
    seen, reason = _seen.get(kind.base, ([], None))
    if len(seen) != len(methods) or any(map(operator.is_not, seen, methods)):
        reason = first_mismatch(kind.shapes)
        _seen[kind.base] = methods, reason
    return reason


def _end_fault(end: str, sock: socket.socket) -> str | None:
    if sock.fileno() == -1:
        return f"its {end} end is closed"
    try:  # Beside the Proactor's pending receive this takes nothing from it.
        data = sock.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError as exc:
        return f"its {end} end fails: {exc!r}"
    return None if data else f"its {end} end has lost the other"


def _selector_reader_fault(loop: Any) -> str | None:
    key = loop._selector.get_map().get(loop._ssock.fileno())
    return None if key is not None and _reads(loop, key) else _UNREAD


def _move_selector_reader(loop: Any, ssock: socket.socket) -> bytes:
    # Not by the old socket's number: where that was closed, it may be the new one's by now.
    for key in list(loop._selector.get_map().values()):
        if _reads(loop, key):
            loop._remove_reader(key.fd)
    signals = _drain(loop._ssock)
    loop._ssock = ssock
    loop._add_reader(ssock.fileno(), loop._read_from_self)
    return signals


def _reads(loop: Any, key: Any) -> bool:
    """Whether the selector's *key* makes the loop read its wake-ups."""
    return key.data[0] is not None and key.data[0]._callback == loop._read_from_self


def _drain(sock: socket.socket) -> bytes:
    """The numbers of signals that wait in *sock*; the wake-ups between them are zero bytes."""
    waiting = b""
    with contextlib.suppress(OSError):
        for data in iter(lambda: sock.recv(4096), b""):
            waiting += data
    return waiting.replace(b"\0", b"")


def _proactor_reader_fault(loop: Any) -> str | None:
    future = loop._self_reading_future
    if not loop.is_running() or (future is not None and not future.done()):
        return None
    if future is not None and (future.cancelled() or future.exception() is not None):
        return _UNREAD  # _loop_self_reading() gives up
    return None if _scheduled(loop) else _UNREAD


def _move_proactor_reader(loop: Any, ssock: socket.socket) -> bytes:
    future = loop._self_reading_future
    loop._self_reading_future = None
    if future is not None and not future.cancel() and not future.cancelled():
        future.exception()  # or it is logged as never retrieved
    for handle in _scheduled(loop):
        handle.cancel()  # before 3.8.6 it would post a second receive (bpo-39010)
    loop._ssock = ssock
    if loop.is_running():  # else run_forever() does it
        loop._loop_self_reading()
    return b""  # on Windows asyncio handles no signals, they only wake the loop


def _scheduled(loop: Any) -> list[Any]:
    """The handles that will run the Proactor's ``_loop_self_reading()``."""
    ready = loop._ready.copy()  # other threads append to it
    return [handle for handle in ready if handle._callback == loop._loop_self_reading]


def _kind(base: type, reader_fault: Any, move_reader: Any, **methods: str) -> _Kind:
    """A kind whose *methods* are each given as "parameters: names that its code uses".

    Where a method has had several parameter lists, "|" is between them.
    """
    shapes = []
    for name, shape in {**_OF_EVERY_LOOP, **methods}.items():
        owner = BaseEventLoop if name in _OF_EVERY_LOOP else base
        parameters, _, mentions = shape.partition(":")
        known = (Shape(owner, name, p.split(), mentions.split()) for p in parameters.split("|"))
        shapes.append(OneOf(tuple(known)))
    return _Kind(base, tuple(shapes), reader_fault, move_reader)


_UNREAD = "nothing reads its reading end"
_told: set[str] = set()  # what the log has said already
_seen: dict[type, tuple[list[Any], str | None]] = {}  # methods looked at, and what of them
# Loops that run inside a GUI's replace these, and then need no pair of sockets.
_OF_EVERY_LOOP = {
    "call_soon_threadsafe": "self callback args context: _write_to_self",
    "_run_once": "self: _ready _selector",
}
_KINDS = (
    _kind(
        BaseSelectorEventLoop,
        _selector_reader_fault,
        _move_selector_reader,
        _make_self_pipe="self: _ssock _csock _add_reader",
        _close_self_pipe="self: _ssock _csock _remove_reader",
        _read_from_self="self: _ssock recv",
        _write_to_self="self: _csock send OSError",
        # Since 3.15 with a context, which is the current one unless it is given.
        _add_reader="self fd callback args | self fd callback args context: _selector register",
        _remove_reader="self fd: _selector unregister",
    ),
    _kind(
        BaseProactorEventLoop,
        _proactor_reader_fault,
        _move_proactor_reader,
        _make_self_pipe="self: _ssock _csock",
        _close_self_pipe="self: _self_reading_future _ssock _csock",
        _loop_self_reading="self f: _self_reading_future _proactor _ssock recv",
        _write_to_self="self: _csock send OSError",
    ),
)
