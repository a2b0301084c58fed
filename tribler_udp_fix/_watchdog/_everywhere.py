"""The setting ``watch=all``: every datagram transport that asyncio makes in this process.

Each event loop has one watchdog for them, from the first transport to the last.
"""

from __future__ import annotations

import contextvars
import gc
import logging
from typing import Any

from tribler_udp_fix._asyncio import _transports
from tribler_udp_fix._ipv8._opening import of_services
from tribler_udp_fix._settings import current_settings
from tribler_udp_fix._watchdog import _watchdog
from tribler_udp_fix._watchdog._subjects import is_of_ipv8, is_transport
from tribler_udp_fix._watchdog._watch import Watch

OPENING = 0.05  # seconds until an endpoint of IPv8's is looked at again that is not open yet

logger = logging.getLogger("tribler_udp_fix")


class _OfLoop(_watchdog.Watchdog):
    """The one watchdog of an event loop that watches what is made on it, until nothing is left."""

    def add(self, endpoint: Any) -> None:
        """As every watchdog's; one that its program opens again has another transport then."""
        before = len(self._watches)
        super().add(endpoint)
        for watch in self._watches[before:]:
            watch.leaf.ends = True

    def _drop(self, gone: list[Watch]) -> None:
        """As every watchdog's; the last one to go ends it."""
        super()._drop(gone)
        if not self._watches and self in _watchdog.running:
            _watchdog.running.discard(self)
            self._end()


def start() -> None:
    """Watch what is made from now on, where the settings in force say so."""
    if _made not in _transports.made:
        _transports.made.append(_made)
        _transports.opening.append(_let_go)
        _watchdog.claims.append(_release)


def stop() -> None:
    """Watch nothing that is made from now on, nor what was made."""
    if _made in _transports.made:
        _transports.made.remove(_made)
        _transports.opening.remove(_let_go)
        _watchdog.claims.remove(_release)
    for watchdog in _running():
        watchdog.stop_soon()


def _let_go() -> None:
    """Have what was left open on event loops that are closed let go of its ports.

    Without us it is gone when its program collects garbage.
    """
    closed = [watchdog for watchdog in _running() if watchdog.loop.is_closed()]
    left_open = any(watch.leaf.has_socket() for one in closed for watch in one._watches)
    if closed:
        del closed  # which would keep what is left open
        _watchdog.forget_closed()
    if left_open:
        gc.collect()


def _made(transport: Any) -> None:
    settings = current_settings()
    if settings.watchdog and settings.watches_all:
        # In a turn of its own: its program is not done with it yet.
        # And in no context of its: that would live as long as the watchdog.
        transport._loop.call_soon(_watch, transport, context=contextvars.Context())


def _watch(transport: Any, looks: int = 100) -> None:
    try:
        if transport.is_closing() or transport.keepers or not is_transport(transport):
            return
        if any(transport.get_protocol() is one for one in of_services):
            return  # its own watchdog comes when the service has started
        subject = transport
        if is_of_ipv8(transport.get_protocol()):
            endpoint = transport.get_protocol()
            if endpoint._transport is transport and endpoint.is_open():
                subject = endpoint
            elif looks:  # it is being opened; or is of a make that never says that it is
                transport._loop.call_later(OPENING, _watch, transport, looks - 1)
                return
        running = [watchdog for watchdog in _running() if watchdog.loop is transport._loop]
        watchdog = running[0] if running else _OfLoop([], current_settings())
        watchdog.start()
        watchdog.add(subject)
    except Exception:  # a timer's callback: Tribler takes what it raises for a crash
        logger.exception("%r is not watched", transport)


def _release(endpoint: Any, claimant: Any) -> None:
    """Somebody else watches *endpoint* from now on."""
    for watchdog in _running():
        if watchdog is not claimant:
            watchdog.remove(endpoint)


def _running() -> list[_OfLoop]:
    return [watchdog for watchdog in list(_watchdog.running) if isinstance(watchdog, _OfLoop)]
