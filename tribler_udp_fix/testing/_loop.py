"""An event loop that has no time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Iterator

from tribler_udp_fix._arguments import check_number

# Seconds. Windows counted them in 32 bits of milliseconds until Python 3.11.
_LONGEST = 4_294_967


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

    Raises RuntimeError where no *loop* is given and none is running; TypeError or ValueError where
    *seconds* or *pause* are no number that ``time.sleep()`` takes.
    """
    # Here, since what fails in a callback is the loop's to report, and starves nobody.
    for name, given in (("seconds", seconds), ("pause", pause)):
        allowed = f"a number of seconds from 0 to {_LONGEST:,}"
        check_number(name, given, allowed, lambda number: 0 <= number <= _LONGEST)
    starved = loop or asyncio.get_running_loop()
    handle: asyncio.Handle

    def block() -> None:
        nonlocal handle
        time.sleep(float(seconds))
        handle = starved.call_later(pause, block) if pause else starved.call_soon(block)

    handle = starved.call_soon(block)
    try:
        yield
    finally:
        handle.cancel()
