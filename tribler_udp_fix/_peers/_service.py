"""The settings ``peer_monitor`` and ``dht_pings``, for every IPv8 instance that starts."""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import Any

from tribler_udp_fix._peers._monitor import PeerMonitor
from tribler_udp_fix._peers._pings import end_pings, run_pings
from tribler_udp_fix._settings import current_settings
from tribler_udp_fix._watchdog._ipv8_service import Companion

AGAIN = 10.0  # seconds between two looks for a DHT that was loaded since

logger = logging.getLogger("tribler_udp_fix")

_monitors: weakref.WeakKeyDictionary[Any, PeerMonitor] = weakref.WeakKeyDictionary()
_pings: weakref.WeakKeyDictionary[Any, DhtPings] = weakref.WeakKeyDictionary()


class DhtPings:
    """Keeps each DHT of *ipv8* pinging its nodes, from ``start()`` to ``stop()``, on one loop."""

    def __init__(self, ipv8: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self._ipv8 = weakref.ref(ipv8)
        self._added: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look now, and from time to time: a program may load its communities later."""
        ipv8 = self._ipv8()
        if ipv8 is None:
            return
        self._timer = self.loop.call_later(AGAIN, self.start)
        try:
            self._added += run_pings(ipv8)
        except Exception:  # a timer's callback: Tribler takes what it raises for a crash
            logger.exception("the DHT of %r pings nobody", ipv8)

    def stop(self) -> None:
        """Look no more, and take out what was added."""
        if self._timer is not None:
            self._timer.cancel()
        ipv8 = self._ipv8()
        if ipv8 is not None:
            end_pings(ipv8, self._added)


def _start(ipv8: Any) -> None:
    for other, monitor in list(_monitors.items()):
        if monitor.is_over:  # its loop was closed without a stop; it would keep its instance
            del _monitors[other]
    settings = current_settings()
    if settings.monitors_peers and ipv8 not in _monitors:
        _monitors[ipv8] = monitor = PeerMonitor(ipv8, settings=settings)
        monitor.start()
    if settings.pings_dht and ipv8 not in _pings:
        _pings[ipv8] = pings = DhtPings(ipv8)
        pings.start()


def _stop(ipv8: Any) -> None:
    monitor, pings = _monitors.pop(ipv8, None), _pings.pop(ipv8, None)
    if monitor is not None:
        monitor.stop()
    if pings is not None:
        pings.stop()


def _stop_all() -> None:
    for ipv8, pings in list(_pings.items()):
        del _pings[ipv8]
        if not pings.loop.is_closed():
            pings.loop.call_soon_threadsafe(pings.stop)
    for ipv8, monitor in list(_monitors.items()):
        del _monitors[ipv8]
        monitor.stop_soon()


COMPANION = Companion(_start, _stop, _stop_all)
