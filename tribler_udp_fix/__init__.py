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
    from tribler_udp_fix._settings import Settings
    from tribler_udp_fix._status import RepairStatus, Status
    from tribler_udp_fix._watchdog._events import Event, EventKind
    from tribler_udp_fix._watchdog._report import EndpointStatus, WatchdogStatus
    from tribler_udp_fix._watchdog._watchdog import Watchdog

__all__ = [
    "EndpointStatus",
    "Event",
    "EventKind",
    "RepairStatus",
    "Settings",
    "Status",
    "Watchdog",
    "WatchdogStatus",
    "__version__",
    "install",
    "status",
    "uninstall",
]
__version__ = "0.1.0"

_HOMES = {
    "EndpointStatus": "_watchdog._report",
    "Event": "_watchdog._events",
    "EventKind": "_watchdog._events",
    "RepairStatus": "_status",
    "Settings": "_settings",
    "Status": "_status",
    "Watchdog": "_watchdog._watchdog",
    "WatchdogStatus": "_watchdog._report",
    "install": "_install",
    "status": "_install",
    "uninstall": "_install",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = __import__(f"{__name__}.{_HOMES[name]}", fromlist=[name])
    value: object = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *_HOMES})
