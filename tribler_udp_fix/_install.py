"""Apply the repairs to this process, take them back, and say how things stand.

Three rules keep a program from waiting for ever, whatever its threads import at that time. What is
needed is imported while no lock of ours is held (``_load``). Under ``_lock`` nothing is imported
or logged, and nobody else is called that could wait: whoever waits for it waits for some
milliseconds. And within an import of asyncio, wrapt or this package nothing is installed: it comes
with the next gate, or the next ``status()``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Callable, TypeVar

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._upstream import has_fault
from tribler_udp_fix._faults import EVENT_LOOP, FAULTS, IPV8_FAULTS, SELECTOR, TRIBLER_ENTRIES
from tribler_udp_fix._imports import ASYNCIO, FINDER, GATES, NEEDED, is_importing
from tribler_udp_fix._imports._modules import is_loaded
from tribler_udp_fix._imports._whole import import_whole, is_under_way, is_under_way_here, whole
from tribler_udp_fix._ipv8._names import TARGETS as IPV8_TARGETS
from tribler_udp_fix._patching._imported import ImportedRepairs, Package
from tribler_udp_fix._patching._notes import log_notes
from tribler_udp_fix._patching._repair_set import RepairSet
from tribler_udp_fix._patching._states import NOT_NEEDED, OFF, REFUSED, State
from tribler_udp_fix._patching._wrapt import wrapt_patches
from tribler_udp_fix._peers._names import TARGETS as PEER_TARGETS
from tribler_udp_fix._settings import (
    Settings,
    current_settings,
    require_settings,
    use_settings,
)
from tribler_udp_fix._status import RepairStatus, Status
from tribler_udp_fix._switch import report
from tribler_udp_fix._tribler._names import TARGETS as TRIBLER_TARGETS
from tribler_udp_fix._watchdog._names import TARGETS as WATCHED_TARGETS

if TYPE_CHECKING:
    from tribler_udp_fix._asyncio._event_loop import EventLoopChoice
    from tribler_udp_fix._peers._peer_events import PeersStatus
    from tribler_udp_fix._watchdog._report import WatchdogStatus

T = TypeVar("T")

_NO_PROACTOR: State = (NOT_NEEDED, "no Proactor")
_NOT_INSTALLED: State = (OFF, "not installed")

_lock = threading.RLock()
_installed = False
_failure = ""  # why an attempt to install failed, until the next one
_asyncio: RepairSet | None = None  # made by the first install(): it imports asyncio
_event_loop: EventLoopChoice | None = None  # made with it
_EVERYWHERE = "tribler_udp_fix._watchdog._everywhere"

_imported_repairs = tuple(
    ImportedRepairs(package)
    for package in (
        Package("pyipv8", IPV8_TARGETS, "tribler_udp_fix._ipv8._repairs"),
        Package("pyipv8", WATCHED_TARGETS, "tribler_udp_fix._watchdog._repairs"),
        Package("pyipv8", PEER_TARGETS, "tribler_udp_fix._peers._repairs"),
        Package("Tribler", TRIBLER_TARGETS, "tribler_udp_fix._tribler._repairs"),
    )
)


def install(settings: Settings | None = None) -> Status:
    """Repair asyncio's ProactorEventLoop and IPv8's endpoints in this process.

    New datagram transports are made of our class, on ProactorEventLoop and SelectorEventLoop alike;
    those that exist go on as they are, with receives that survive a transient error. Safe to call
    twice and from any thread; a second call takes over *settings*, for transports and event loops
    made from then on. A target that is not the one we know is left alone, and ``status()`` says
    why; when a patch cannot be applied, those before it are taken back and the exception is raised.
    IPv8 is repaired, and Tribler joined, when the program has imported them, before it can use
    them; neither is ever imported here. Raises TypeError where *settings* are none.
    """
    require_settings(settings)
    # In this order: an import of IPv8 or Tribler that is not waited for begins after the finder is
    # there.
    with _lock:
        FINDER.enter()
    _wait_for_imports()
    # Where the hook waits, a program that calls this itself is the one that the variables are for.
    of_hook = settings is None and bool(FINDER.waits_for)
    _bring_up(_settings_of_environ if of_hook else lambda: settings, _always)
    return _status()


def settle() -> None:
    """Do what the hook, or ``install()``, is to do for what the program has imported since then.

    Called at the gates, and for each status; raises nothing, and never waits for an import of
    asyncio or wrapt that this very thread is in: then it does nothing.
    """
    for _ in range(2):  # another thread may have installed before the last import had ended
        if not _is_due() or is_importing(NEEDED):
            return
        try:
            if FINDER.waits_for:
                _bring_up(_settings_of_environ, _is_waiting)
            else:
                _bring_up(_no_others, _is_installed)
        except Exception as exc:  # the program's own work goes on, repaired or not
            report(exc)


def uninstall() -> Status:
    """Take every repair back: each class touched is then as it was.

    Transports of the repaired class keep working as such until they close. A function that another
    package wrapped after us stays, switched off, and ``status()`` names it.
    """
    global _failure
    with _lock:
        _failure = ""
        _take_back()
    return _status()


def status() -> Status:
    """Each repair's state and the counters, as they are now.

    Where the startup hook waits for the program to come to use asyncio, IPv8 or Tribler, and these
    are imported, it installs now.
    """
    settle()
    return _status()


def _status() -> Status:
    with _lock:
        sources = (
            (FAULTS.values(), _asyncio_state),
            ([SELECTOR], _selector_state),
            ([EVENT_LOOP], _event_loop_state),
            (IPV8_FAULTS.values(), _imported_state),
            (TRIBLER_ENTRIES.values(), _imported_state),
        )
        repairs = tuple(
            RepairStatus(fault.id, fault.title, *_told(state(fault.id)), fault.issue)
            for faults, state in sources
            for fault in faults
        )
        installed, settings = _installed, current_settings()
    return Status(installed, settings, repairs, COUNTERS.as_dict(), _watchdogs(), _peers())


def _told(state: State) -> State:
    return (OFF, _failure) if _failure and state == _NOT_INSTALLED else state


def _watchdogs() -> tuple[WatchdogStatus, ...]:
    # Not looked at before it is whole: another thread may be importing it for the first time.
    watching = whole("tribler_udp_fix._watchdog._watchdog")
    if watching is None:
        return ()
    watching.forget_closed()
    return tuple(_status_of(dog.status) for dog in list(watching.running))


def _peers() -> tuple[PeersStatus, ...]:
    monitoring = whole("tribler_udp_fix._peers._monitor")
    if monitoring is None:
        return ()
    monitoring.forget_closed()
    return tuple(_status_of(monitor.status) for monitor in list(monitoring.running))


def _status_of(status: Callable[[], T]) -> T:
    while True:
        try:
            return status()
        except RuntimeError as exc:
            # Its loop goes on in another thread, and without a global lock it may add to what is
            # being copied here.
            if "during iteration" not in str(exc):
                raise


def _asyncio_state(fault: str) -> State:
    if sys.platform != "win32":
        return _NO_PROACTOR
    states = _asyncio.states if _asyncio is not None else {}
    state, reason = _told(states.get(fault, _NOT_INSTALLED))
    has = has_fault(fault)
    if has is None:
        return state, reason
    return state, f"{reason}; this CPython {'has' if has else 'does not have'} this fault"


def _selector_state(_: str) -> State:
    states = _asyncio.states if _asyncio is not None else {}
    return states.get(SELECTOR.id, _NOT_INSTALLED)


def _event_loop_state(_: str) -> State:
    if sys.platform != "win32":
        return _NO_PROACTOR
    return _event_loop.state if _event_loop is not None else _NOT_INSTALLED


def _imported_state(fault: str) -> State:
    # Of event loops, and not of a package: known as soon as something has looked after one.
    wakeup = whole("tribler_udp_fix._asyncio._wakeup") if fault == "F12" else None
    refused = wakeup.refused() if wakeup is not None else None
    if refused is not None:
        return REFUSED, refused
    return next(repairs.state(fault) for repairs in _imported_repairs if fault in repairs.faults)


def _is_due() -> bool:
    if FINDER.waits_for:
        return is_loaded(ASYNCIO)
    return _installed and any(repairs.left() for repairs in _imported_repairs)


def _bring_up(settings: Callable[[], Settings | None], is_wanted: Callable[[], bool]) -> None:
    """Install, or repair what has been imported since; raises what prevents it.

    Nothing is done, and nothing raised, where it is not wanted any more: another thread has
    installed, given up or uninstalled in between.
    """
    global _installed, _failure
    try:
        chosen = settings()
        packages = _load(chosen or current_settings())
        with _lock:
            if not is_wanted():
                return
            if chosen is not None:
                use_settings(chosen)
            FINDER.enter()
            if _installed:
                _repair_the_rest(packages)
            else:
                _install(packages)
            _installed, _failure = True, ""
            FINDER.arrive, FINDER.waits_for = settle, ""
            FINDER.open_gates(_finished())
    except BaseException as exc:  # an interrupt, too, must not leave a half-patched program
        with _lock:
            if not is_wanted():
                return
            _failure = f"could not be applied: {exc!r}"
            _take_back()
        raise
    finally:
        log_notes()


def _always() -> bool:
    return True


def _is_waiting() -> bool:
    return bool(FINDER.waits_for)


def _is_installed() -> bool:
    return _installed


def _no_others() -> None:
    return None


def _settings_of_environ() -> Settings:
    return Settings.from_environ(os.environ)


def _load(settings: Settings) -> list[ImportedRepairs]:
    """Import what is needed for what the program has imported; return the repairs it is for."""
    import_whole(ASYNCIO)
    import_whole("tribler_udp_fix._asyncio._repairs")
    if settings.watches_all:
        import_whole(_EVERYWHERE)
    if sys.platform == "win32":
        import_whole("tribler_udp_fix._asyncio._proactor")
    wrapt_patches()
    loaded = []
    for repairs in _imported_repairs:
        if not repairs.is_needed:
            continue
        try:
            repairs.load()
        except Exception as exc:  # what the program has besides stays repaired
            if not _installed:
                raise
            repairs.give_up(exc)
        else:
            loaded.append(repairs)
    return loaded


def _install(packages: list[ImportedRepairs]) -> None:
    logger = logging.getLogger("tribler_udp_fix")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)  # Tribler's builds have the root logger at CRITICAL
    global _asyncio, _event_loop
    if _asyncio is None:
        from tribler_udp_fix._asyncio import _repairs

        _asyncio = RepairSet(_repairs.repairs(current_settings))
    _asyncio.install()
    _watch_what_is_made()
    if sys.platform == "win32":
        if _event_loop is None:
            from tribler_udp_fix._asyncio import _proactor

            _event_loop = _proactor.event_loop_choice()
        _event_loop.install(current_settings().loop)
    for repairs in packages:
        repairs.install()


def _watch_what_is_made() -> None:
    everywhere = whole(_EVERYWHERE)  # imported where the settings ask for it
    if everywhere is not None:
        everywhere.start()


def _repair_the_rest(packages: list[ImportedRepairs]) -> None:
    _watch_what_is_made()
    if _event_loop is not None:
        _event_loop.install(current_settings().loop)
    for repairs in packages:
        for module in repairs.left():
            repairs.try_to_repair(module)


def _finished() -> list[str]:
    """The modules with gates for which nothing is left to do."""
    imported = [module for module in GATES if is_loaded(module)]
    left = {module for repairs in _imported_repairs for module in repairs.left()}
    return [module for module in imported if module not in left]


def _take_back() -> None:
    global _installed
    _installed = False
    FINDER.leave()
    if _event_loop is not None:
        _event_loop.uninstall()
    if _asyncio is not None:
        _asyncio.uninstall()
    for repairs in reversed(_imported_repairs):
        repairs.uninstall()
    everywhere = whole(_EVERYWHERE)
    if everywhere is not None:
        everywhere.stop()
    service = whole("tribler_udp_fix._watchdog._ipv8_service")
    if service is not None:
        service.stop_all()


def _wait_for_imports() -> None:
    """Wait until no other thread is importing a module that is to be repaired."""
    for repairs in _imported_repairs:
        for module in repairs.package.targets:
            if is_under_way(module) and not is_under_way_here(module):
                with contextlib.suppress(Exception):  # it is the other thread's to raise
                    import_whole(module)


FINDER.arrive = FINDER.arrive if FINDER.waits_for else settle
if hasattr(os, "register_at_fork"):  # a child must not find it held by a thread that it has not
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )
