"""Watches the endpoints of every IPv8 instance, from the end of its start to its stop.

What else begins and ends with an instance is its companions', of rooms above this one.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import Any, Callable, NamedTuple

from tribler_udp_fix._ipv8._leaves import leaves
from tribler_udp_fix._ipv8._opening import of_services
from tribler_udp_fix._ipv8._rust_adapter import open_at_interface
from tribler_udp_fix._settings import current_settings
from tribler_udp_fix._watchdog._watchdog import Watchdog

logger = logging.getLogger("tribler_udp_fix")

STOP_TIMEOUT = 10.0  # seconds; a stop of the program's must not hang on us


class Companion(NamedTuple):
    """What begins once an IPv8 instance has started, and ends before it stops."""

    start: Callable[[Any], object]
    stop: Callable[[Any], object]
    stop_all: Callable[[], object]
    """For those of every instance; from any thread, and without waiting."""


companions: list[Companion] = []

_watchdogs: weakref.WeakKeyDictionary[Any, Watchdog] = weakref.WeakKeyDictionary()


async def start(
    wrapped: Callable[..., Any], ipv8: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What replaces ``IPv8.start()``."""
    try:
        found = leaves(ipv8.endpoint)
        of_services.update(found.udp)
        for endpoint in found.rust:
            open_at_interface(endpoint, current_settings())
    except Exception:  # an endpoint of any make; it opens as one that is no service's
        logger.exception("the endpoints of %r are not known", ipv8)
    result = await wrapped(*args, **kwargs)
    try:
        settings = current_settings()
        if settings.watchdog and settings.watches_ipv8 and ipv8 not in _watchdogs:
            watchdog = Watchdog(ipv8.endpoint, settings)
            watchdog.start()
            _watchdogs[ipv8] = watchdog
    except Exception:  # an endpoint of any make; IPv8 has started, and goes on
        logger.exception("the endpoints of %r are not watched", ipv8)
    for companion in companions:
        _guarded(companion.start, ipv8)
    return result


async def stop(
    wrapped: Callable[..., Any], ipv8: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What replaces ``IPv8.stop()``: to the watchdog an endpoint that closes would look dead."""
    for companion in companions:
        _guarded(companion.stop, ipv8)
    watchdog = _watchdogs.pop(ipv8, None)
    if watchdog is not None:
        try:
            await asyncio.wait_for(watchdog.stop(), STOP_TIMEOUT)
        except Exception:  # IPv8 is to stop all the same
            logger.exception("the watchdog of %r did not stop", ipv8)
    return await wrapped(*args, **kwargs)


def watchdog_of(ipv8: Any) -> Watchdog | None:
    """The watchdog of a running IPv8 instance, if it has one."""
    return _watchdogs.get(ipv8)


def _guarded(call: Callable[[Any], object], ipv8: Any) -> None:
    try:
        call(ipv8)
    except Exception:  # IPv8 goes on, and stops
        logger.exception("%r of %r failed", call, ipv8)


def stop_all() -> None:
    """Stop all that was started here, each on its own event loop; does not wait."""
    for companion in companions:
        companion.stop_all()
    for ipv8, watchdog in list(_watchdogs.items()):
        del _watchdogs[ipv8]
        watchdog.stop_soon()
