"""A watchdog for the length of a test."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Callable, Iterator

from tribler_udp_fix._settings import Settings
from tribler_udp_fix._watchdog._events import Event
from tribler_udp_fix._watchdog._watchdog import Watchdog

_SHORT: dict[str, Any] = {
    "probe_after": 0.5,
    "probe_timeout": 0.5,
    "probe_misses": 2,
    "jitter": 0.0,
    "tick": 0.1,
    "retry_cap": 1.0,
}


@contextlib.contextmanager
def watched(
    endpoint: Any, on_event: Callable[[Event], object] | None = None, **settings: Any
) -> Iterator[Watchdog]:
    """Watch *endpoint* with times that are short enough for a test; yields the ``Watchdog``.

    By default it probes after 0.5 s of quiet, allows a probe 0.5 s, acts after two that were
    missed, looks around every 0.1 s, and backs off for 1 s at most. *settings* are those of
    ``Settings``; *on_event* is called with each event.

    Enter it on the running event loop. At the end the watchdog is stopped, unless it has been, even
    where its loop is closed by then; while the loop runs, a rebind under way ends first, soon.

    Raises RuntimeError where no loop is running, and what ``Settings`` raises.
    """
    watchdog = Watchdog(endpoint, Settings(**{**_SHORT, **settings}), on_event)
    watchdog.start()
    loop = asyncio.get_running_loop()
    try:
        yield watchdog
    finally:
        _stop(watchdog, loop)


def _stop(watchdog: Watchdog, loop: asyncio.AbstractEventLoop) -> None:
    """Stop a watchdog from where nothing can be awaited."""
    rebinding = [watch for watch in watchdog._watches if watch._rebinding is not None]
    if loop.is_closed():
        for watch in rebinding:
            watch._rebinding = None  # it has ended with its loop
    elif not loop.is_running():
        loop.run_until_complete(watchdog.stop())
        return
    elif rebinding:
        loop.create_task(watchdog.stop())
        return
    # It waits for nothing but a rebind, so that one step is all of it.
    with contextlib.suppress(StopIteration):
        watchdog.stop().send(None)
