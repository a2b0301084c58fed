"""Keeps UDP endpoints receiving on Windows, on asyncio's ProactorEventLoop.

The names below are loaded when they are first used: importing this package imports nothing else,
so that the startup hook costs a program without asyncio next to nothing.

pytest, which finds a plugin in here, need not warn that it came too late to rewrite the assertions
of a package that the hook has imported: PYTEST_DONT_REWRITE
"""

# Neither "from __future__ import annotations" nor typing: importing the package would import them.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tribler_udp_fix._install import install, status, uninstall
    from tribler_udp_fix._peers._heartbeat_policy import PeerState
    from tribler_udp_fix._peers._monitor import PeerMonitor
    from tribler_udp_fix._peers._peer_events import PeerEvent, PeerEventKind, PeersStatus
    from tribler_udp_fix._pool._destination import DestinationUnreachable
    from tribler_udp_fix._pool._sockets import RequestSockets
    from tribler_udp_fix._requests._deduplicated import deduplicated
    from tribler_udp_fix._requests._errors import (
        EndpointClosed,
        PeerGone,
        RequestFailed,
        RequestTimeout,
    )
    from tribler_udp_fix._requests._request import request
    from tribler_udp_fix._requests._retrying import Retrying
    from tribler_udp_fix._settings import Settings
    from tribler_udp_fix._status import RepairStatus, Status
    from tribler_udp_fix._watchdog._events import Event, EventKind
    from tribler_udp_fix._watchdog._report import EndpointStatus, WatchdogStatus
    from tribler_udp_fix._watchdog._watchdog import Watchdog

__all__ = [
    "DestinationUnreachable",
    "EndpointClosed",
    "EndpointStatus",
    "Event",
    "EventKind",
    "PeerEvent",
    "PeerEventKind",
    "PeerGone",
    "PeerMonitor",
    "PeerState",
    "PeersStatus",
    "RepairStatus",
    "RequestFailed",
    "RequestSockets",
    "RequestTimeout",
    "Retrying",
    "Settings",
    "Status",
    "Watchdog",
    "WatchdogStatus",
    "__version__",
    "deduplicated",
    "install",
    "request",
    "status",
    "uninstall",
]
__version__ = "0.1.0"

_HOMES = {
    "DestinationUnreachable": "_pool._destination",
    "EndpointClosed": "_requests._errors",
    "EndpointStatus": "_watchdog._report",
    "Event": "_watchdog._events",
    "EventKind": "_watchdog._events",
    "PeerGone": "_requests._errors",
    "PeerEvent": "_peers._peer_events",
    "PeerEventKind": "_peers._peer_events",
    "PeerMonitor": "_peers._monitor",
    "PeerState": "_peers._heartbeat_policy",
    "PeersStatus": "_peers._peer_events",
    "RepairStatus": "_status",
    "RequestFailed": "_requests._errors",
    "RequestSockets": "_pool._sockets",
    "RequestTimeout": "_requests._errors",
    "Retrying": "_requests._retrying",
    "Settings": "_settings",
    "Status": "_status",
    "Watchdog": "_watchdog._watchdog",
    "WatchdogStatus": "_watchdog._report",
    "deduplicated": "_requests._deduplicated",
    "install": "_install",
    "request": "_requests._request",
    "status": "_install",
    "uninstall": "_install",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Another thread may be importing a part of it.
    from tribler_udp_fix._imports._whole import import_whole

    value: object = getattr(import_whole(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *_HOMES})
