"""Watches the endpoints of every IPv8 instance, from the end of its start to its stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from typing import Any, Callable

from tribler_udp_fix._settings import current_settings
from tribler_udp_fix._watchdog._watchdog import Watchdog

logger = logging.getLogger("tribler_udp_fix")

STOP_TIMEOUT = 10.0  # seconds; a stop of the program's must not hang on us

_stopping: set[asyncio.Task[None]] = set()  # a loop keeps its tasks by weak references only
_watchdogs: weakref.WeakKeyDictionary[Any, Watchdog] = weakref.WeakKeyDictionary()


async def start(
    wrapped: Callable[..., Any], ipv8: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What replaces ``IPv8.start()``."""
    result = await wrapped(*args, **kwargs)
    try:
        settings = current_settings()
        if settings.watchdog and ipv8 not in _watchdogs:
            watchdog = Watchdog(ipv8.endpoint, settings)
            watchdog.start()
            _watchdogs[ipv8] = watchdog
    except Exception:  # an endpoint of any make; IPv8 has started, and goes on
        logger.exception("the endpoints of %r are not watched", ipv8)
    return result


async def stop(
    wrapped: Callable[..., Any], ipv8: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """What replaces ``IPv8.stop()``: to the watchdog an endpoint that closes would look dead."""
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


def stop_all() -> None:
    """Stop the watchdogs that were started here, each on its own event loop; does not wait."""
    for ipv8, watchdog in list(_watchdogs.items()):
        del _watchdogs[ipv8]
        # RuntimeError: the loop is closed, and forget_closed() ends the watchdog.
        with contextlib.suppress(RuntimeError):
            watchdog.loop.call_soon_threadsafe(_stop_soon, watchdog)


def _stop_soon(watchdog: Watchdog) -> None:
    task = watchdog.loop.create_task(watchdog.stop())
    _stopping.add(task)
    task.add_done_callback(_stopping.discard)
