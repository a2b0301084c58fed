"""An event loop that has no time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Iterator


@contextlib.contextmanager
def starved_loop(
    seconds: float, pause: float = 0.0, loop: asyncio.AbstractEventLoop | None = None
) -> Iterator[None]:
    """The event loop is blocked for *seconds* at a time, again and again, until the end.

    As by a callback that computes, or waits for a disk. In between the loop runs for *pause*
    seconds, at least for one turn. By default it is the running loop; any loop will do. Call it in
    the loop's own thread.

    Nothing is wrong with the endpoints then: a watchdog that took the silence of a probe for
    theirs would rebind in vain, which is what its state "unknown" is for.

    Not imitated: a process that gets no processor time. Other threads run.

    Raises RuntimeError where no *loop* is given and none is running.
    """
    starved = loop or asyncio.get_running_loop()
    handle: asyncio.Handle

    def block() -> None:
        nonlocal handle
        time.sleep(seconds)
        handle = starved.call_later(pause, block) if pause else starved.call_soon(block)

    handle = starved.call_soon(block)
    try:
        yield
    finally:
        handle.cancel()
