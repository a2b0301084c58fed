"""Watches UDP endpoints, IPv8's and asyncio's own, on their event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import Any, Callable

from tribler_udp_fix._arguments import check_function, require_callback
from tribler_udp_fix._asyncio._interfaces import Interface
from tribler_udp_fix._asyncio._obstacles import MakeSocket
from tribler_udp_fix._settings import Settings, settings_for
from tribler_udp_fix._watchdog._events import Event, EventKind, Telling
from tribler_udp_fix._watchdog._policy import REBIND_TIMEOUT, Input, State
from tribler_udp_fix._watchdog._report import EndpointStatus, WatchdogStatus
from tribler_udp_fix._watchdog._subjects import Subjects, endpoints_of
from tribler_udp_fix._watchdog._surroundings import Surroundings, surroundings_of
from tribler_udp_fix._watchdog._watch import Watch

running: set[Watchdog] = set()
"""The watchdogs between ``start()`` and ``stop()``, of every event loop in the process."""

claims: list[Callable[[Any, Watchdog], object]] = []
"""Called with each endpoint that a watchdog begins to watch, and that watchdog."""


class Watchdog:
    """Proves that UDP endpoints hear, and mends the one that does not.

    *endpoint* is a datagram transport of asyncio's own event loops; or what ``IPv8.endpoint`` is,
    or any one endpoint of IPv8's: those with a socket are found through Statistics, Tunnel and
    Dispatcher endpoints; or a list of such. Each is watched, and heals, on its own. Classes of
    IPv8's that are unknown are left alone, and named in ``status().unwatched``. Raises TypeError
    where there is nothing that can be watched, or another argument is of a wrong type.

    A transport gets another socket where asyncio had made its first. Where the program did, by
    ``create_datagram_endpoint(sock=…)``, it is made to read again, and reported, unless
    *make_socket* is given: it returns the next socket, unbound. A connected transport cannot be
    probed: while it is quiet it is made to read again.

    *bind_interface* is the name of a network adapter, such as a VPN's, on Windows or Linux: the
    endpoints are bound to its address, follow it when that changes, and send by it alone; while it
    is not there, nothing. By default that is the setting's, which is for IPv8's endpoints.
    ``start()`` raises ValueError where an endpoint cannot get another socket.

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
        make_socket: MakeSocket | None = None,
        bind_interface: str = "",
    ) -> None:
        require_callback(on_event)
        Settings(bind_interface=bind_interface)  # which says what is allowed
        check_function("make_socket", make_socket, "a function that returns the next socket")
        self._settings = settings_for(settings)
        self._subjects = Subjects(endpoint, make_socket, Interface.named(bind_interface))
        self.tick = self._settings.tick
        self._telling = Telling()
        if on_event is not None:
            self._telling.callbacks.append(on_event)
        self._watches: list[Watch] = []
        self._unwatched: tuple[str, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._around: Surroundings | None = None
        # When to see at the latest whether those that keep to an interface are where it is.
        self._follows_at = float("-inf")
        self._come = False  # an address, since they were looked at

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
        self._watches = []
        running.add(self)
        around.join(self)
        try:
            self._unwatched = self._watch(self._subjects)
        except BaseException:  # what cannot be watched leaves nothing that is watched half
            running.discard(self)
            self._end()
            raise

    def _watch(self, subjects: Subjects) -> tuple[str, ...]:
        assert self._around is not None
        found, unknown = subjects.find(self._settings)
        for leaf in found:
            watch = Watch(leaf, self._settings, self._around, self._telling)
            watch.conditions.is_excused = partial(self._is_without_ipv6, watch)
            self._watches.append(watch)
            watch.start()
            for claim in list(claims):  # not before: who lets go of it sees who has it then
                claim(leaf.endpoint, self)
        return unknown

    def _is_without_ipv6(self, watch: Watch) -> bool:
        """Whether *watch* is of IPv6, and one of IPv4 hears peers: then it may hear none."""
        now = self.loop.time()
        return _is_ipv6(watch) and any(
            other.conditions.hears_peers(now) for other in self._watches if not _is_ipv6(other)
        )

    def add(self, endpoint: Any) -> None:
        """Watch *endpoint* as well, a transport or endpoint as for the class; while it runs."""
        self._unwatched += self._watch(Subjects(endpoint, interface=self._subjects.interface))

    def remove(self, endpoint: Any) -> None:
        """Watch *endpoint* no more, if it is watched here; leaves no trace in it."""
        gone = [watch for watch in self._watches if watch.leaf.endpoint is endpoint]
        if gone:
            self._drop(gone[:1])

    def _drop(self, gone: list[Watch]) -> None:
        """Watch these no more: at once, for there may be thousands."""
        ids = set(map(id, gone))
        self._watches = [watch for watch in self._watches if id(watch) not in ids]
        for watch in gone:
            watch.stop()

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
        it is not watched here, and RuntimeError before ``start()`` and after ``stop()``.
        """
        self._require_running()
        for watch in self._chosen(endpoint):
            if watch.policy.state in (State.HEALTHY, State.BACKING_OFF, State.UNKNOWN):
                watch.alert(Input.TIME, "asked for")

    async def rebind(self, endpoint: Any = None) -> None:
        """Give *endpoint*, or each, a new socket at the same port, and wait for the proof.

        Raises RuntimeError, and does nothing, where that is not allowed: ``rebinds_per_hour`` is
        used up, of which what is asked for has a budget of its own, or it is a Rust endpoint and
        ``rebind_rust`` is off. ValueError, and RuntimeError: as ``probe()``.
        Returns when each is proved, or has failed and goes on trying, or when the watchdog is
        stopped; ``status()`` tells.
        """
        self._require_running()
        chosen = self._chosen(endpoint)
        now = asyncio.get_running_loop().time()
        for watch in chosen:
            if not watch.policy.may_rebind(now, asked=True):
                budget = self._settings.rebinds_per_hour
                spent = f"rebinds_per_hour={budget} {'is used up' if budget else 'means never'}"
                why = watch.leaf.why_not() or spent
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

    def stop_soon(self) -> None:
        """Have it stopped on its own event loop; from any thread, and without waiting."""
        # RuntimeError: the loop is closed, and forget_closed() ends the watchdog.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._stop_soon)

    def _stop_soon(self) -> None:
        task = self.loop.create_task(self.stop())
        _stopping.add(task)
        task.add_done_callback(_stopping.discard)

    def _require_running(self) -> None:
        if self not in running:
            ended = "has been stopped" if self._loop is not None else "has not been started"
            raise RuntimeError(f"the watchdog {ended}: call start(), or use it as async with")

    def _chosen(self, endpoint: Any) -> list[Watch]:
        if endpoint is None:
            return self._watches
        if isinstance(endpoint, str):
            named = [watch for watch in self._watches if watch.name == endpoint]
            if not named:
                names = ", ".join(watch.name for watch in self._watches)
                raise ValueError(f"{endpoint!r} is not watched here: allowed is one of {names}")
            return named
        found = endpoints_of(endpoint)
        chosen = [w for w in self._watches if any(w.leaf.endpoint is one for one in found)]
        if not chosen:
            raise ValueError(f"{endpoint!r} is not watched here: allowed is an endpoint that is")
        return chosen

    def look(self, now: float) -> None:
        """Look at each endpoint; called twice a second, or as ``tick`` says."""
        if self._come or now >= self._follows_at:
            self._follow_interfaces(now)
        for watch in self._watches:
            watch.look(now)
        over = [watch for watch in self._watches if watch.over]
        if over:
            self._drop(over)

    def tell(self, kind: EventKind, cause: str, alarm: Input | None) -> None:
        """Tell of what happened to the event loop or the machine, and alarm the endpoints."""
        self._telling.tell(logging.WARNING, Event(time.time(), kind, cause=cause))
        if alarm is not None:
            for watch in self._watches:
                watch.alert(alarm)

    def tell_address(self, address: str, there: bool) -> None:
        """Have the endpoints with this *address* try it, as it comes or goes; no others."""
        for watch in self._watches:
            host = str((watch.address or ("",))[0]).partition("%")[0]
            waits = watch.policy.state is State.BACKING_OFF
            if not there:
                with watch.guarded():
                    watch.leaf.address_has_gone(address)
            # An address whose lifetime is prolonged is told of again: that is no news.
            if waits is there and host == address:
                watch.alert(Input.MOVED, f"its address has {'come' if there else 'gone'}")
        # Not at once: there may be thousands, and to ask where an interface is takes time for each.
        self._come = self._come or there

    def _follow_interfaces(self, now: float) -> None:
        self._follows_at = now + self._settings.probe_after
        come, self._come = self._come, False
        for watch in self._watches:
            if not watch.leaf.interface:
                continue
            if watch.policy.state is not State.BACKING_OFF:
                watch.follow_interface()
            elif come:
                watch.alert(Input.MOVED, "its address has come")


_stopping: set[asyncio.Task[None]] = set()  # a loop keeps its tasks by weak references only


def forget_closed() -> None:
    """End the watchdogs whose event loop was closed without stopping them: it ended them."""
    for watchdog in list(running):
        if watchdog.loop.is_closed():
            try:
                running.remove(watchdog)
            except KeyError:  # another thread was faster
                continue
            watchdog._end()


def _is_ipv6(watch: Watch) -> bool:
    return ":" in (watch.address or ("",))[0]


def _status_of(watch: Watch) -> EndpointStatus:
    prober = watch.prober
    return EndpointStatus(
        name=watch.name,
        endpoint=watch.kind,
        address=(watch.address or ("", 0))[:2],
        bound=watch.leaf.has_socket(),
        configured=watch.leaf.configured(),
        interface=watch.leaf.interface,
        state=watch.policy.state.value,
        seconds_in_state=watch.seconds_in_state,
        condition=watch.conditions.name,
        reason=watch.reason,
        last_heard=watch.hearing.last,
        last_heard_from_peer=watch.hearing.peer_last,
        bytes_heard=watch.leaf.heard_bytes(),
        probes={
            "sent": prober.sent,
            "answered": prober.answered,
            "missed": watch.missed,
            "late": prober.late,
            "forged": prober.forged,
            "unsent": watch.unsent,
        },
        errors=watch.leaf.errors(),
        rearms=watch.rearms,
        rebinds=watch.rebinds,
        failed_rebinds=watch.rebound.failed,
        lost=watch.leaf.lost,
    )
