"""Apply the repairs to this process, take them back, and say how things stand."""

from __future__ import annotations

import logging
import sys
import threading

from tribler_udp_fix._counters import COUNTERS
from tribler_udp_fix._faults import FAULTS
from tribler_udp_fix._patching import Repair, apply_all, first_mismatch
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._status import APPLIED, NOT_NEEDED, OFF, REFUSED, RepairStatus, Status

logger = logging.getLogger("tribler_udp_fix")

_NO_PROACTOR = "no Proactor"

_lock = threading.RLock()
_settings = Settings()
_repairs: list[Repair] | None = None
_installed: list[Repair] = []
_states: dict[str, tuple[str, str]] = {}


def install(settings: Settings | None = None) -> Status:
    """Repair asyncio's ProactorEventLoop in this process.

    New datagram transports are made of the repaired class; those that exist go on as they are,
    with receives that survive a transient error. Safe to call twice and from any thread; a second
    call takes over *settings*, for transports made from then on. A target that is not the one we
    know is left alone, and ``status()`` says why; when a patch cannot be applied, those before it
    are taken back and the exception is raised. Where there is no Proactor nothing happens.
    """
    global _settings
    if sys.platform == "win32":
        # Before the lock: the startup hook installs while it holds asyncio's import lock.
        import asyncio  # noqa: F401
    with _lock:
        if settings is not None:
            _settings = settings
        if sys.platform == "win32" and not _installed:
            _install()
        return status()


def uninstall() -> Status:
    """Take every repair back: each class touched is then as it was.

    Transports of the repaired class keep working as such until they close. A function that another
    package wrapped after us stays, switched off, and ``status()`` names it.
    """
    with _lock:
        _installed.clear()
        _states.clear()
        for repair in _repairs or ():
            left = [reason for patch in repair.patches for reason in [patch.restore()] if reason]
            if left:
                _states.update(dict.fromkeys(repair.faults, (OFF, f"off, but in place: {left[0]}")))
        return status()


def status() -> Status:
    """Each repair's state and the counters, as they are now. Installs nothing."""
    with _lock:
        repairs = tuple(
            RepairStatus(fault.id, fault.title, *_state(fault.id), fault.issue)
            for fault in FAULTS.values()
        )
        return Status(bool(_installed), _settings, repairs, COUNTERS.as_dict())


def _state(fault: str) -> tuple[str, str]:
    if sys.platform != "win32":
        return NOT_NEEDED, _NO_PROACTOR
    version = sys.version_info[:3]
    state, reason = _states.get(fault, (OFF, "not installed"))
    if FAULTS[fault].concerns(version):
        return state, reason
    not_needed = "CPython {}.{}.{} does not have this fault".format(*version)
    return NOT_NEEDED, f"{not_needed}; {state}: {reason}" if fault in _states else not_needed


if sys.platform == "win32":

    def _install() -> None:
        global _repairs
        # Imports asyncio and, by applying, wrapt: not before somebody asks for a repair.
        if _repairs is None:
            from tribler_udp_fix._proactor import repairs

            _repairs = repairs(lambda: _settings)
        known: list[Repair] = []
        states: dict[str, tuple[str, str]] = {}
        for repair in _repairs:
            mismatch = first_mismatch(repair.shapes)
            if mismatch is None:
                known.append(repair)
                states.update(dict.fromkeys(repair.faults, (APPLIED, repair.how)))
            else:
                logger.warning("left alone: %s", mismatch)
                states.update(dict.fromkeys(repair.faults, (REFUSED, mismatch)))
        apply_all([patch for repair in known for patch in repair.patches])
        _installed.extend(known)
        _states.clear()
        _states.update(states)
