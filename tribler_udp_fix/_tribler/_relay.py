"""Changes of health, told to Tribler's user interface; and once what has been wrong for long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from tribler_udp_fix._install import status
from tribler_udp_fix._tribler._gui import Gui
from tribler_udp_fix._watchdog._events import Event, EventKind, listeners
from tribler_udp_fix._watchdog._policy import Input, State

logger = logging.getLogger("tribler_udp_fix")

LASTING = 60.0  # seconds that an endpoint has been deaf before the user is told

_HEALTHY = State.HEALTHY.value
_IDLE = {_HEALTHY, State.QUIET.value}
_DEAF = {
    state.value for state in (State.SUSPECT, State.REARMING, State.REBINDING, State.BACKING_OFF)
}


class Relay:
    """Tells *gui* of each change of health, of every watchdog in the process.

    An endpoint that has been deaf for more than *lasting* seconds (60) is a pop-up, one for each
    failure, with *page* as what the user can do to look; when nobody is there to see it, it comes
    when somebody is, if the endpoint is deaf still. Whatever goes wrong is logged, and goes no
    further.
    """

    def __init__(self, gui: Gui, page: str, lasting: float | None = None) -> None:
        self._gui = gui
        self._page = page
        self._lasting = LASTING if lasting is None else lasting
        self._loop: asyncio.AbstractEventLoop | None = None
        # By the endpoint's name: since when it is deaf, and what waits to say so, if it is unsaid.
        self._failures: dict[str, tuple[float, asyncio.TimerHandle | None]] = {}

    def start(self) -> None:
        """Tell from now on, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        listeners.append(self._hear)
        for watchdog in status().watchdogs:
            for endpoint in watchdog.endpoints:
                if endpoint.state in _DEAF:
                    self._begin(endpoint.name)

    def stop(self) -> None:
        """Tell no more."""
        with contextlib.suppress(ValueError):
            listeners.remove(self._hear)
        for name in list(self._failures):
            self._end(name)
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
            if event.kind is EventKind.STATE:
                self._note(event)
                if {event.state, event.previous} <= _IDLE:
                    return  # an idle endpoint's routine
            if self._gui.is_there():
                self._gui.tell(event.as_dict())
        except Exception:  # the host would show it to the user
            logger.exception("Tribler was not told: %s", event)

    def _note(self, event: Event) -> None:
        closed = event.state == State.UNKNOWN.value and event.cause == Input.CLOSED.value
        if event.state == _HEALTHY or closed:
            self._end(event.endpoint)
        elif event.state in _DEAF and event.endpoint not in self._failures:
            self._begin(event.endpoint)

    def _begin(self, name: str) -> None:
        self._failures[name] = time.monotonic(), self._later(name)

    def _end(self, name: str) -> None:
        _, timer = self._failures.pop(name, (0.0, None))
        if timer is not None:
            timer.cancel()

    def _later(self, name: str) -> asyncio.TimerHandle:
        assert self._loop is not None
        return self._loop.call_later(self._lasting, self._due, name)

    def _due(self, name: str) -> None:
        try:
            since = self._failures[name][0]
            state = _state_of(name)
            if state is None or state in _IDLE:  # it closed, or has another name by now
                del self._failures[name]
            elif not self._gui.is_there():
                self._failures[name] = since, self._later(name)
            else:
                self._failures[name] = since, None
                self._pop_up(name, state, time.monotonic() - since)
        except Exception:  # a timer's callback: Tribler takes what it raises for a crash
            logger.exception("Tribler was not told that %s is deaf", name)

    def _pop_up(self, name: str, state: str, seconds: float) -> None:
        when = time.strftime("%H:%M:%S", time.localtime(time.time() - seconds))
        self._gui.pop_up(
            f"{name} has been deaf since {when}",
            f"{name} has heard nobody for {seconds:.0f} seconds ({state}), so other peers cannot "
            f"reach you there. tribler_udp_fix goes on trying to mend it. To see how it stands, "
            f"{self._page}.",
        )


def _state_of(name: str) -> str | None:
    for watchdog in status().watchdogs:
        for endpoint in watchdog.endpoints:
            if endpoint.name == name:
                return endpoint.state
    return None
