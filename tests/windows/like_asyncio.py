"""What asyncio's own transports keep to, as the tests on Linux and on Windows ask it of ours."""

from __future__ import annotations

import asyncio
import collections
import contextvars
from typing import Any, Callable

from udp import Recorder, endpoint, send

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("NAME", default="nobody")


class Ear(Recorder):
    """Calls *on_datagram* with itself for each datagram."""

    def __init__(self, on_datagram: Callable[[Ear], object] = lambda _: None) -> None:
        super().__init__()
        self._on_datagram = on_datagram

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self._on_datagram(self)


async def ear(on_datagram: Callable[[Ear], object] = lambda _: None, **options: Any) -> Any:
    """The protocol of a new endpoint."""
    return await endpoint(protocol=lambda: Ear(on_datagram), **options)


def say(listener: Any, times: int) -> None:
    """Send it so many datagrams."""
    send(listener.address, *(b"%d" % number for number in range(times)))


async def ear_of(name: str, seen: collections.Counter[str]) -> Any:
    """One that was made in a context with this *name*; *seen* is which names it was called with."""

    async def made() -> Any:
        NAME.set(name)
        return await ear(lambda _: seen.update([NAME.get()]))

    return await asyncio.ensure_future(made())


def each_is_called_in_its_own_context(run: Callable[[Any], object]) -> None:
    """Two endpoints, each made in a context of its own, have more to read than one turn allows."""
    seen: dict[str, collections.Counter[str]] = {
        "A": collections.Counter(),
        "B": collections.Counter(),
    }

    async def main() -> None:
        both = [await ear_of(name, seen[name]) for name in seen]
        for times in (1, 200, 1, 200):
            for each in both:
                say(each, times)
            await asyncio.sleep(0.1)
        for each in both:
            each.transport.close()
        await asyncio.sleep(0.05)

    run(main)
    assert {name: set(names) for name, names in seen.items()} == {"A": {"A"}, "B": {"B"}}
