"""Watches the endpoints of one IPv8 instance, on its event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Callable

from tribler_udp_fix._ipv8._error_counts import errors_of
from tribler_udp_fix._ipv8._leaves import leaves
from tribler_udp_fix._settings import Settings, current_settings
from tribler_udp_fix._watchdog._events import Event, EventKind, Telling
from tribler_udp_fix._watchdog._leaf import Leaf
from tribler_udp_fix._watchdog._policy import REBIND_TIMEOUT, Input, State
from tribler_udp_fix._watchdog._report import EndpointStatus, WatchdogStatus
from tribler_udp_fix._watchdog._rust_leaf import RustLeaf
from tribler_udp_fix._watchdog._surroundings import Surroundings, surroundings_of
from tribler_udp_fix._watchdog._udp_leaf import UdpLeaf
from tribler_udp_fix._watchdog._watch import Watch

running: set[Watchdog] = set()
"""The watchdogs between ``start()`` and ``stop()``, of every event loop in the process."""


class Watchdog:
    """Proves that each endpoint of an IPv8 instance hears, and mends the one that does not.

    *endpoint* is what ``IPv8.endpoint`` is, or any one endpoint: those with a socket are found
    through Statistics, Tunnel and Dispatcher endpoints; each is watched, and heals, on its own.
    Classes that are unknown are left alone, and named in ``status().unwatched``.

    *on_event* is called with each ``Event``, on the event loop. *settings* are by default those of
    ``tribler_udp_fix.install()``.

    Use it as an asynchronous context manager, or call ``start()`` and ``stop()``: after the
    endpoint was opened, before it is closed, on the loop that it was opened on.
    """

    def __init__(
        self,
        endpoint: Any,
        settings: Settings | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._settings = settings or current_settings()
        self.tick = self._settings.tick
        self._telling = Telling()
        if on_event is not None:
            self._telling.callbacks.append(on_event)
        self._watches: list[Watch] = []
        self._unwatched: tuple[str, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._around: Surroundings | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it runs on; RuntimeError before ``start()``."""
        if self._loop is None:
            raise RuntimeError("the watchdog has not been started")
        return self._loop

    async def __aenter__(self) -> Watchdog:
        """Start to watch."""
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    def start(self) -> None:
        """Watch from now on. Call it on the running event loop; twice is once."""
        forget_closed()
        if self in running:
            return
        self._loop = asyncio.get_running_loop()
        self._around = around = surroundings_of(self._loop)
        found = leaves(self._endpoint)
        self._unwatched = found.unknown
        settings = self._settings
        known: list[Leaf] = [UdpLeaf(leaf, settings) for leaf in found.udp]
        known += [RustLeaf(leaf, settings) for leaf in found.rust]
        self._watches = [Watch(leaf, settings, around, self._telling) for leaf in known]
        for watch in self._watches:
            watch.start()
        running.add(self)
        around.join(self)

    async def stop(self) -> None:
        """Watch no more, and leave no trace in the endpoints. A rebind under way ends first."""
        if self not in running:
            return
        running.discard(self)
        try:
            rebinding = [task for watch in self._watches for task in [watch.settle()] if task]
            if rebinding:
                await asyncio.wait(rebinding, timeout=REBIND_TIMEOUT)
        finally:  # cancelled, too: nobody can stop it a second time
            self._end()

    def _end(self) -> None:
        for watch in self._watches:
            watch.stop()
        assert self._around is not None
        self._around.leave(self)

    def probe(self, endpoint: Any = None) -> None:
        """Probe *endpoint*, or all of them, now; the outcome is an event, and in ``status()``.

        *endpoint* is an endpoint, or the name that ``status()`` has for it. Raises ValueError where
        it is not watched here.
        """
        for watch in self._chosen(endpoint):
            if watch.policy.state in (State.HEALTHY, State.BACKING_OFF, State.UNKNOWN):
                watch.alert(Input.TIME, "asked for")

    async def rebind(self, endpoint: Any = None) -> None:
        """Give *endpoint*, or each, a new socket at the same port, and wait for the proof.

        Raises RuntimeError, and does nothing, where that is not allowed: ``rebinds_per_hour`` is
        used up, of which what is asked for has a budget of its own, or it is a Rust endpoint and
        ``rebind_rust`` is off. ValueError: as ``probe()``.
        Returns when each is proved, or has failed and goes on trying, or when the watchdog is
        stopped; ``status()`` tells.
        """
        chosen = self._chosen(endpoint)
        now = asyncio.get_running_loop().time()
        for watch in chosen:
            if not watch.policy.may_rebind(now, asked=True):
                why = (
                    f"rebinds_per_hour={self._settings.rebinds_per_hour} is used up"
                    if watch.leaf.rebinds
                    else "rebind_rust is off"
                )
                raise RuntimeError(f"{watch.name} is not rebound: {why}")
        for watch in chosen:
            watch.alert(Input.ASKED)
        for watch in chosen:
            while watch.policy.state is State.REBINDING and not watch.stopped:
                await asyncio.sleep(0.01)

    def status(self) -> WatchdogStatus:
        """How the endpoints are doing, now."""
        return WatchdogStatus(
            endpoints=tuple(map(_status_of, self._watches)),
            unwatched=self._unwatched,
            loop=type(self._loop).__name__ if self._loop else "",
            lag=self._around.lag if self._around else 0.0,
            wakeups_renewed=self._around.wakeups_renewed if self._around else 0,
            history=tuple(self._telling.history),
        )

    def _chosen(self, endpoint: Any) -> list[Watch]:
        if endpoint is None:
            return self._watches
        if isinstance(endpoint, str):
            named = [watch for watch in self._watches if watch.name == endpoint]
            if not named:
                names = ", ".join(watch.name for watch in self._watches)
                raise ValueError(f"{endpoint!r} is not watched here: allowed is one of {names}")
            return named
        found = leaves(endpoint)
        chosen = [w for w in self._watches if w.leaf.endpoint in (*found.udp, *found.rust)]
        if not chosen:
            raise ValueError(f"{endpoint!r} is not watched here: allowed is an endpoint that is")
        return chosen

    def look(self, now: float) -> None:
        """Look at each endpoint; called twice a second, or as ``tick`` says."""
        for watch in self._watches:
            watch.look(now)

    def tell(self, kind: EventKind, cause: str, alarm: Input | None) -> None:
        """Tell of what happened to the event loop or the machine, and alarm the endpoints."""
        self._telling.tell(logging.WARNING, Event(time.time(), kind, cause=cause))
        if alarm is not None:
            for watch in self._watches:
                watch.alert(alarm)


def forget_closed() -> None:
    """End the watchdogs whose event loop was closed without stopping them: it ended them."""
    for watchdog in list(running):
        if watchdog.loop.is_closed():
            try:
                running.remove(watchdog)
            except KeyError:  # another thread was faster
                continue
            watchdog._end()


def _status_of(watch: Watch) -> EndpointStatus:
    prober = watch.prober
    return EndpointStatus(
        name=watch.name,
        endpoint=type(watch.leaf.endpoint).__name__,
        address=(watch.address or ("", 0))[:2],
        state=watch.policy.state.value,
        seconds_in_state=watch.seconds_in_state,
        last_heard=watch.hearing.last,
        bytes_heard=max(0, watch.leaf.heard() - prober.bytes_heard),
        probes={
            "sent": prober.sent,
            "answered": prober.answered,
            "missed": watch.missed,
            "late": prober.late,
            "forged": prober.forged,
            "unsent": watch.unsent,
        },
        errors=errors_of(watch.leaf.endpoint),
        rearms=watch.rearms,
        rebinds=watch.rebinds,
        failed_rebinds=watch.rebound.failed,
        lost=watch.leaf.lost,
    )
