"""What is repaired in this process, and what is not, with the reason."""

from __future__ import annotations

import dataclasses
import platform
from typing import TYPE_CHECKING, Any

from tribler_udp_fix._settings import Settings

if TYPE_CHECKING:
    from tribler_udp_fix._peers._peer_events import PeersStatus
    from tribler_udp_fix._watchdog._report import WatchdogStatus


@dataclasses.dataclass(frozen=True)
class RepairStatus:
    """One repair: ``state`` is applied, not needed, refused or off, ``reason`` says why.

    ``fault`` is its row in the catalogue (F1 to F10 and F23 are asyncio's, F11 to F22 IPv8's),
    ``selector`` for the transports of SelectorEventLoop, ``loop`` for the setting of that name,
    ``tribler`` for what joins Tribler, or ``trackers`` for how it asks them;
    ``issue`` is the CPython issue that tells of it, or ``none``.
    """

    fault: str
    title: str
    state: str
    reason: str
    issue: str


@dataclasses.dataclass(frozen=True)
class Status:
    """What ``status()`` returns: a snapshot, not kept up to date.

    ``counters`` holds counts since the process started: ``receive_errors`` and ``send_errors`` by
    Winsock number, ``receives_rearmed``, ``datagrams_dropped`` and ``dropped_by_reason``,
    ``ipv8_endpoints_not_opened``, ``pings_unanswered`` (of IPv8's churn, by peers that have gone),
    ``pings_refused`` (those of them that earned an ICMP error) and those of requests where there
    were any, and the outcome of each switch that ``prevent_icmp_errors`` or an IPv8 endpoint asked
    for. ``watchdogs`` are those that run, of every event loop; ``peers`` is of the monitors that
    run, one for each IPv8 instance.
    """

    installed: bool
    settings: Settings
    repairs: tuple[RepairStatus, ...]
    counters: dict[str, Any]
    watchdogs: tuple[WatchdogStatus, ...] = ()
    peers: tuple[PeersStatus, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same as plain dicts, lists, strings and numbers, for JSON."""
        return {
            "python": platform.python_version(),
            "installed": self.installed,
            "settings": dataclasses.asdict(self.settings),
            "repairs": [dataclasses.asdict(repair) for repair in self.repairs],
            "counters": self.counters,
            "watchdogs": [watchdog.as_dict() for watchdog in self.watchdogs],
            "peers": [peers.as_dict() for peers in self.peers],
        }
