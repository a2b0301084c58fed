"""Apply the repairs to this process, take them back, and say how things stand."""

from __future__ import annotations

import contextlib
import importlib
import logging
import sys
import threading
from typing import TYPE_CHECKING

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._faults import EVENT_LOOP, FAULTS, IPV8_FAULTS, TRIBLER_ENTRIES
from tribler_udp_fix._imports._finder import ImportFinder
from tribler_udp_fix._imports._modules import is_loaded, is_under_way
from tribler_udp_fix._ipv8._names import TARGETS as IPV8_TARGETS
from tribler_udp_fix._patching._imported import ImportedRepairs, Package
from tribler_udp_fix._patching._repair_set import RepairSet
from tribler_udp_fix._patching._states import NOT_NEEDED, OFF, REFUSED, State
from tribler_udp_fix._settings import Settings, current_settings, use_settings
from tribler_udp_fix._status import RepairStatus, Status
from tribler_udp_fix._tribler._names import TARGETS as TRIBLER_TARGETS
from tribler_udp_fix._watchdog._names import TARGETS as WATCHED_TARGETS

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Sequence

    from tribler_udp_fix._asyncio._event_loop import EventLoopChoice

_NO_PROACTOR: State = (NOT_NEEDED, "no Proactor")
_NOT_INSTALLED: State = (OFF, "not installed")

_lock = threading.RLock()
_installed = False
_asyncio: RepairSet | None = None  # made by the first install(): it imports asyncio
_event_loop: EventLoopChoice | None = None  # made with it
_imported_repairs = tuple(
    ImportedRepairs(package)
    for package in (
        Package("pyipv8", IPV8_TARGETS, "tribler_udp_fix._ipv8._repairs"),
        Package("pyipv8", WATCHED_TARGETS, "tribler_udp_fix._watchdog._repairs"),
        Package("Tribler", TRIBLER_TARGETS, "tribler_udp_fix._tribler._repairs"),
    )
)
_repairs_of = {module: each for each in _imported_repairs for module in each.package.targets}


def install(settings: Settings | None = None) -> Status:
    """Repair asyncio's ProactorEventLoop and IPv8's endpoints in this process.

    New datagram transports are made of the repaired class; those that exist go on as they are,
    with receives that survive a transient error. Safe to call twice and from any thread; a second
    call takes over *settings*, for transports and event loops made from then on. A target that is
    not the one we know is left alone, and ``status()`` says why; when a patch cannot be applied,
    those before it are taken back and the exception is raised. Where there is no Proactor asyncio
    is left alone. IPv8 is repaired, and Tribler joined, on every platform, when the program has
    imported them; neither is ever imported here.
    """
    global _installed
    if sys.platform == "win32":
        # Before the lock: the startup hook installs while it holds asyncio's import lock.
        import asyncio  # noqa: F401
    # In this order, and before the lock for the same reason: an import of IPv8 or Tribler that is
    # not waited for begins after the finder is there.
    _finder.enter()
    _wait_for_imports()
    with _lock:
        _finder.enter()  # another thread may have uninstalled in between
        if settings is not None:
            use_settings(settings)
        if not _installed:
            try:
                _install()
            except BaseException:  # an interrupt, too, must not leave a half-patched program
                uninstall()
                raise
            _installed = True
        elif _event_loop is not None:
            _event_loop.install(current_settings().loop)
        return status()


def uninstall() -> Status:
    """Take every repair back: each class touched is then as it was.

    Transports of the repaired class keep working as such until they close. A function that another
    package wrapped after us stays, switched off, and ``status()`` names it.
    """
    global _installed
    with _lock:
        _installed = False
        _finder.leave()
        if _event_loop is not None:
            _event_loop.uninstall()
        if _asyncio is not None:
            _asyncio.uninstall()
        for repairs in reversed(_imported_repairs):
            repairs.uninstall()
        service = sys.modules.get("tribler_udp_fix._watchdog._ipv8_service")
        if service is not None:
            service.stop_all()
        return status()


def status() -> Status:
    """Each repair's state and the counters, as they are now. Installs nothing."""
    with _lock:
        sources = (
            (FAULTS.values(), _asyncio_state),
            ([EVENT_LOOP], _event_loop_state),
            (IPV8_FAULTS.values(), _imported_state),
            (TRIBLER_ENTRIES.values(), _imported_state),
        )
        repairs = tuple(
            RepairStatus(fault.id, fault.title, *state(fault.id), fault.issue)
            for faults, state in sources
            for fault in faults
        )
        watching = sys.modules.get("tribler_udp_fix._watchdog._watchdog")
        if watching:
            watching.forget_closed()
        watchdogs = tuple(dog.status() for dog in list(watching.running)) if watching else ()
        return Status(_installed, current_settings(), repairs, COUNTERS.as_dict(), watchdogs)


def _asyncio_state(fault: str) -> State:
    if sys.platform != "win32":
        return _NO_PROACTOR
    states = _asyncio.states if _asyncio is not None else {}
    state, reason = states.get(fault, _NOT_INSTALLED)
    from tribler_udp_fix._asyncio._upstream import has_fault

    has = has_fault(fault)
    if has is None:
        return state, reason
    return state, f"{reason}; this CPython {'has' if has else 'does not have'} this fault"


def _event_loop_state(_: str) -> State:
    if sys.platform != "win32":
        return _NO_PROACTOR
    return _event_loop.state if _event_loop is not None else _NOT_INSTALLED


def _imported_state(fault: str) -> State:
    # Of event loops, and not of a package: known as soon as something has looked after one.
    wakeup = sys.modules.get("tribler_udp_fix._asyncio._wakeup") if fault == "F12" else None
    refused = wakeup.refused() if wakeup is not None else None
    if refused is not None:
        return REFUSED, refused
    return next(repairs.state(fault) for repairs in _imported_repairs if fault in repairs.faults)


def _install() -> None:
    logger = logging.getLogger("tribler_udp_fix")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)  # Tribler's builds have the root logger at CRITICAL
    if sys.platform == "win32":
        global _asyncio, _event_loop
        # Imports asyncio and, by applying, wrapt: not before somebody asks for a repair.
        if _asyncio is None or _event_loop is None:
            from tribler_udp_fix._asyncio import _proactor

            proactor = _proactor.repairs(current_settings)
            _asyncio = RepairSet(proactor)
            _event_loop = _proactor.event_loop_choice(proactor)
        _asyncio.install()
        _event_loop.install(current_settings().loop)
    for repairs in _imported_repairs:
        repairs.install()


def watch_imports(
    name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    """Be told when the program imports IPv8 or Tribler; repairs nothing before ``install()``.

    Called for the import of the module *name*: that has begun, so it asks no finder that enters
    now. Returns what such a finder finds.
    """
    return _finder.find_spec(name, path, target) if _finder.enter() else None


def _ran(module: str) -> None:
    """Repair a module of IPv8 or Tribler whose code has just run."""
    if not _installed:
        return
    repairs = _repairs_of[module]
    # Before the lock, which is not to be held while asyncio is imported.
    importlib.import_module(repairs.package.repairs)
    with _lock:
        if _installed:
            repairs.repair(module)


def _wait_for_imports() -> None:
    """Wait until no other thread is importing a module that is to be repaired."""
    for module, repairs in _repairs_of.items():
        if is_under_way(module):
            with contextlib.suppress(Exception):  # it is the other thread's to raise
                importlib.import_module(module)
        if is_loaded(module):
            # What the repairs need: asyncio, and whoever repairs that may hold its import lock.
            importlib.import_module(repairs.package.repairs)


_finder = ImportFinder(_repairs_of, _ran)
