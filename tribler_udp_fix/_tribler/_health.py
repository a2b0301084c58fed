"""How the endpoints of this process are doing, and what can be asked of their watchdogs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Awaitable, Callable, Iterable

from tribler_udp_fix._install import status
from tribler_udp_fix._tribler._versions import versions
from tribler_udp_fix._watchdog._watchdog import Watchdog, running

ANSWER = 5.0  # seconds in which another event loop must answer
PROOF = 15.0  # seconds that a rebind is waited for; it goes on after


def health() -> dict[str, Any]:
    """``status().as_dict()``, the versions, and when that was, in seconds since the epoch."""
    return {"at": time.time(), "versions": versions(), **status().as_dict()}


def endpoint_names() -> list[str]:
    """The names of the endpoints under watch, of every event loop."""
    return [endpoint.name for watchdog in list(running) for endpoint in watchdog.status().endpoints]


def endpoints(names: Iterable[str]) -> list[dict[str, Any]]:
    """How the endpoints with these names are doing, as plain data."""
    wanted = set(names)
    return [
        endpoint.as_dict()
        for watchdog in list(running)
        for endpoint in watchdog.status().endpoints
        if endpoint.name in wanted
    ]


async def probe(names: Iterable[str]) -> dict[str, str]:
    """Probe these endpoints now. Returns those that could not be, each with the reason."""

    async def ask(watchdog: Watchdog, name: str) -> None:
        watchdog.probe(name)

    return await _ask_each(names, ask, ANSWER)


async def rebind(names: Iterable[str]) -> dict[str, str]:
    """Give these endpoints new sockets, and wait for the proofs, up to ``PROOF`` seconds.

    Returns those that may not be rebound, each with the reason.
    """

    async def ask(watchdog: Watchdog, name: str) -> None:
        with contextlib.suppress(asyncio.TimeoutError):  # it goes on, and the state says so
            await asyncio.wait_for(watchdog.rebind(name), PROOF)

    return await _ask_each(names, ask, PROOF + ANSWER)


Ask = Callable[[Watchdog, str], Awaitable[None]]


async def _ask_each(names: Iterable[str], ask: Ask, seconds: float) -> dict[str, str]:
    refused = dict.fromkeys(names, "it is not watched any more")
    asked = [
        (watchdog, endpoint.name)
        for watchdog in list(running)
        for endpoint in watchdog.status().endpoints
        if endpoint.name in refused
    ]
    outcomes = await asyncio.gather(
        *(_ask(watchdog, name, ask, seconds) for watchdog, name in asked)
    )
    for (_, name), reason in zip(asked, outcomes):
        refused.pop(name, None)
        if reason is not None:
            refused[name] = reason
    return refused


async def _ask(watchdog: Watchdog, name: str, ask: Ask, seconds: float) -> str | None:
    """Ask on the watchdog's own event loop; returns why that did not go well, or None."""

    async def there() -> None:
        await ask(watchdog, name)

    asking = there()
    try:
        if watchdog.loop is asyncio.get_running_loop():
            await asking
        else:
            future = asyncio.run_coroutine_threadsafe(asking, watchdog.loop)
            return await _outcome(asyncio.wrap_future(future), seconds)
    except (RuntimeError, ValueError) as exc:  # not allowed, or not there any more
        asking.close()  # where the loop is closed, nobody has begun it
        return str(exc)
    return None


async def _outcome(asked: asyncio.Future[None], seconds: float) -> str | None:
    # Not by wait_for(): that the other loop has cancelled it would cancel this request.
    try:
        await asyncio.wait({asked}, timeout=seconds)
        if not asked.done():
            return f"its event loop has not answered within {seconds:g} seconds"
        if asked.cancelled():
            return "its event loop has given it up"
        asked.result()
        return None
    finally:
        asked.cancel()
