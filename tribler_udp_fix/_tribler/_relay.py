"""Changes of health, told to Tribler's user interface; and once what has been wrong for long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Tuple

from tribler_udp_fix._install import status
from tribler_udp_fix._tribler._gui import Gui
from tribler_udp_fix._watchdog._events import Event, EventKind, listeners
from tribler_udp_fix._watchdog._policy import Input, State
from tribler_udp_fix._watchdog._report import EndpointStatus

logger = logging.getLogger("tribler_udp_fix")

LASTING = 60.0  # seconds that an endpoint cannot hear, or send, before the user is told

_HEALTHY = State.HEALTHY.value
_IDLE = {_HEALTHY, State.QUIET.value}
# Of no interest on the page: an idle endpoint, and one that its program opens or closes.
_ROUTINE = {*_IDLE, State.UNKNOWN.value}
_DEAF = {
    state.value for state in (State.SUSPECT, State.REARMING, State.REBINDING, State.BACKING_OFF)
}

_DEAFNESS = "deaf"
_NO_PEER = EventKind.NO_PEER.value  # which has lasted for minutes when it is told
_CONDITIONS = (EventKind.CANNOT_SEND.value, _NO_PEER)
_ENDS = {
    EventKind.SENDS_AGAIN: EventKind.CANNOT_SEND.value,
    EventKind.PEER_HEARD: _NO_PEER,
}

Failure = Tuple[str, str]  # the endpoint's name; deaf, or its condition


class Relay:
    """Tells *gui* of each change of health, of every watchdog in the process.

    An endpoint that has been deaf, or that nothing has left, for more than *lasting* seconds (60)
    is a pop-up, one for each failure, with *page* as what the user can do to look. So is one that
    hears itself, but no peer. When nobody is there to see it, it comes when somebody is, if it is
    so still. Whatever goes wrong is logged, and goes no further.
    """

    def __init__(self, gui: Gui, page: str, lasting: float | None = None) -> None:
        self._gui = gui
        self._page = page
        self._lasting = LASTING if lasting is None else lasting
        self._loop: asyncio.AbstractEventLoop | None = None
        # Since when, and what waits to say so, if it is unsaid.
        self._failures: dict[Failure, tuple[float, asyncio.TimerHandle | None]] = {}

    def start(self) -> None:
        """Tell from now on, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        listeners.append(self._hear)
        for watchdog in status().watchdogs:
            for endpoint in watchdog.endpoints:
                if endpoint.state in _DEAF:
                    self._begin((endpoint.name, _DEAFNESS))
                if endpoint.condition in _CONDITIONS:
                    self._begin((endpoint.name, endpoint.condition))

    def stop(self) -> None:
        """Tell no more."""
        with contextlib.suppress(ValueError):
            listeners.remove(self._hear)
        for failure in list(self._failures):
            self._end(failure)
        self._loop = None

    def _hear(self, event: Event) -> None:
        # On the watchdog's event loop, which may be another thread's.
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # closed: the host is gone
                loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: Event) -> None:
        if self._loop is None:
            return
        try:
            self._note(event)
            if event.kind is EventKind.STATE and {event.state, event.previous} <= _ROUTINE:
                return
            if self._gui.is_there():
                self._gui.tell(event.as_dict())
        except Exception:  # the host would show it to the user
            logger.exception("Tribler was not told: %s", event)

    def _note(self, event: Event) -> None:
        deafness = (event.endpoint, _DEAFNESS)
        if event.kind.value in _CONDITIONS:
            self._begin((event.endpoint, event.kind.value))
        elif event.kind in _ENDS:
            self._end((event.endpoint, _ENDS[event.kind]))
        elif event.state == _HEALTHY:
            self._end(deafness)
        elif event.state == State.UNKNOWN.value and event.cause == Input.CLOSED.value:
            for what in (_DEAFNESS, *_CONDITIONS):
                self._end((event.endpoint, what))
        elif event.state in _DEAF:
            self._begin(deafness)

    def _begin(self, failure: Failure) -> None:
        if failure in self._failures:  # another watchdog may watch the same endpoint
            return
        seconds = 0.0 if failure[1] == _NO_PEER else self._lasting
        self._failures[failure] = time.monotonic(), self._later(failure, seconds)

    def _end(self, failure: Failure) -> None:
        _, timer = self._failures.pop(failure, (0.0, None))
        if timer is not None:
            timer.cancel()

    def _later(self, failure: Failure, seconds: float) -> asyncio.TimerHandle:
        assert self._loop is not None
        return self._loop.call_later(seconds, self._due, failure)

    def _due(self, failure: Failure) -> None:
        name, what = failure
        try:
            since = self._failures[failure][0]
            endpoint = _endpoint(name)
            if endpoint is None or not _suffers(endpoint, what):  # closed, or of another name now
                del self._failures[failure]
            elif not self._gui.is_there():
                self._failures[failure] = since, self._later(failure, self._lasting)
            else:
                self._failures[failure] = since, None
                if what == _DEAFNESS:
                    self._tell_deafness(name, endpoint.state, time.monotonic() - since)
                else:
                    self._tell_condition(endpoint)
        except Exception:  # a timer's callback: Tribler takes what it raises for a crash
            logger.exception("Tribler was not told of %s: %s", name, what)

    def _tell_condition(self, endpoint: EndpointStatus) -> None:
        self._gui.pop_up(
            f"{endpoint.name}: {endpoint.condition}",
            f"{endpoint.name}: {endpoint.reason}. To see how it stands, {self._page}.",
        )

    def _tell_deafness(self, name: str, state: str, seconds: float) -> None:
        when = time.strftime("%H:%M:%S", time.localtime(time.time() - seconds))
        self._gui.pop_up(
            f"{name} has been deaf since {when}",
            f"{name} has heard nobody for {seconds:.0f} seconds ({state}), so other peers cannot "
            f"reach you there. tribler_udp_fix goes on trying to mend it. To see how it stands, "
            f"{self._page}.",
        )


def _suffers(endpoint: EndpointStatus, what: str) -> bool:
    if what == _DEAFNESS:
        return endpoint.state not in _IDLE
    return endpoint.condition == what


def _endpoint(name: str) -> EndpointStatus | None:
    for watchdog in status().watchdogs:
        for endpoint in watchdog.endpoints:
            if endpoint.name == name:
                return endpoint
    return None
