"""One at a time: what opens, closes or rebinds an IPv8 endpoint waits for what already does."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from typing import Any, AsyncIterator

# The end of the turn that is being taken at each endpoint. Nothing stays when it is over: a lock
# would keep its event loop, and Tribler starts anew on another one.
_ends: weakref.WeakKeyDictionary[Any, asyncio.Future[None]] = weakref.WeakKeyDictionary()


@contextlib.asynccontextmanager
async def one_at_a_time(endpoint: Any) -> AsyncIterator[None]:
    """Wait until nobody else on this event loop is inside for *endpoint*; not re-entrant."""
    loop = asyncio.get_running_loop()
    while True:
        other = _ends.get(endpoint)
        if other is None or other.done() or other.get_loop() is not loop:
            break
        await asyncio.wait([other])  # unlike `await other`, cancels nothing when it is cancelled
    end = loop.create_future()
    _ends[endpoint] = end
    try:
        yield
    finally:
        if _ends.get(endpoint) is end:
            del _ends[endpoint]
        end.set_result(None)
