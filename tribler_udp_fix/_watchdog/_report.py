"""How the endpoints under watch are doing, as plain data."""

from __future__ import annotations

import dataclasses
from typing import Any

from tribler_udp_fix._watchdog._events import Event


@dataclasses.dataclass(frozen=True)
class EndpointStatus:
    """One endpoint, at one moment.

    name: its class and address, as events have it. endpoint: its class.
    address: what it is bound to, or shall be again, ``(host, port)``. bound: whether it has a
        socket. configured: what its program had asked for, None where nobody knows.
    interface: the network adapter that it keeps to, by its name, or "".
    state: healthy, quiet, suspect, re-arming, rebinding, backing off or unknown; and since when,
        in seconds.
    condition: what is to be known beside the state: ``cannot send``, since every send fails;
        ``no peer``, since it hears itself alone; ``connected``, since no probe reaches it; or "".
    reason: what ails it, in words, "" for nothing: why it has no socket, or none that can hear;
        why nobody can tell; that every send fails; that it hears itself, but no peer, and what its
        user can do.
    last_heard: when its callback last ran, in seconds since the epoch; None for never.
    last_heard_from_peer: the same of what was no probe of ours.
    bytes_heard: what has reached its callback, probes aside, by IPv8's own counter; less than it
        was when somebody has reset that.
    probes: how many were sent, answered, missed, late, forged and unsent.
    errors: the errors of its sockets, by Winsock number.
    rearms, rebinds: how often its read was armed again, and how many new sockets it got.
    failed_rebinds: how often its port could not be bound, or the new socket heard nothing.
    lost: datagrams that were not sent because there was no socket.
    """

    name: str
    endpoint: str
    address: tuple[str, int]
    bound: bool
    configured: tuple[str, int] | None
    interface: str
    state: str
    seconds_in_state: float
    condition: str
    reason: str
    last_heard: float | None
    last_heard_from_peer: float | None
    bytes_heard: int
    probes: dict[str, int]
    errors: dict[int, int]
    rearms: int
    rebinds: int
    failed_rebinds: int
    lost: int

    def as_dict(self) -> dict[str, Any]:
        """The same as a dict that JSON can hold: error numbers are strings there."""
        errors = {str(number): count for number, count in self.errors.items()}
        configured = None if self.configured is None else list(self.configured)
        told = {"errors": errors, "address": list(self.address), "configured": configured}
        return {**dataclasses.asdict(self), **told}


@dataclasses.dataclass(frozen=True)
class WatchdogStatus:
    """What ``Watchdog.status()`` returns.

    unwatched: the classes of endpoints that are unknown, and left alone.
    loop: the class of the event loop. lag: by how many seconds its last look at the endpoints was
        late. wakeups_renewed: how often its wake-up sockets were replaced.
    history: the newest events, oldest first.
    """

    endpoints: tuple[EndpointStatus, ...]
    unwatched: tuple[str, ...]
    loop: str
    lag: float
    wakeups_renewed: int
    history: tuple[Event, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dicts, lists, strings and numbers, for JSON."""
        return {
            "endpoints": [endpoint.as_dict() for endpoint in self.endpoints],
            "unwatched": list(self.unwatched),
            "loop": self.loop,
            "lag": self.lag,
            "wakeups_renewed": self.wakeups_renewed,
            "history": [event.as_dict() for event in self.history],
        }
