"""One at a time: what opens, closes or rebinds an IPv8 endpoint waits for what already does."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import Any, AsyncIterator

# The end of the last turn at each thing. Nothing stays when it is over: a lock would keep its event
# loop, and Tribler starts anew on another one.
_ends: weakref.WeakKeyDictionary[Any, asyncio.Future[None]] = weakref.WeakKeyDictionary()


@contextlib.asynccontextmanager
async def one_at_a_time(thing: Any) -> AsyncIterator[None]:
    """Wait for all who came before on this event loop to leave *thing*; not re-entrant.

    *thing* is an endpoint; or the event loop, of whose endpoints only one at a time is to be
    without a socket.
    """
    loop = asyncio.get_running_loop()
    before = _ends.get(thing)
    if before is not None and before.get_loop() is not loop:
        before = None
    end = _ends[thing] = loop.create_future()

    def leave(_before: Any = None) -> None:
        if _ends.get(thing) is end:
            del _ends[thing]
        end.set_result(None)

    try:
        if before is not None:
            await asyncio.wait([before])  # unlike `await`, cancels nothing when it is cancelled
        yield
    finally:
        if before is None or before.done():
            leave()
        else:  # cancelled while it waited: who came after must not overtake who came before
            before.add_done_callback(leave)
