"""What asyncio's own transports keep to, as the tests on Linux and on Windows ask it of ours."""

from __future__ import annotations

import asyncio
import collections
import contextvars
from functools import partial
from typing import Any, Callable, Sequence

from udp import Recorder, endpoint, send, until

from tribler_udp_fix import Settings, Watchdog

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


def has_heard(listener: Any, times: int) -> bool:
    """Whether it has heard so many datagrams."""
    return len(listener.heard) == times


async def say_and_wait(listener: Any, times: int, count: Callable[[], int]) -> None:
    """Send it so many datagrams, and wait until there are as many more by *count()*."""
    expected = count() + times
    say(listener, times)
    await until(lambda: count() == expected, every=0.1)


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


def a_burst_finds_room_in_a_queue_that_is_emptied_meanwhile(run: Callable[[Any], object]) -> None:
    """A protocol keeps at most 16 datagrams, as that of some libraries, and a task takes them."""
    kept: asyncio.Queue[bytes]
    lost, taken = [], []

    def keep(listener: Ear) -> None:
        try:
            kept.put_nowait(listener.heard[-1])
        except asyncio.QueueFull:
            lost.append(listener.heard[-1])

    async def take() -> None:
        while True:
            taken.append(await kept.get())

    async def main() -> None:
        nonlocal kept
        kept = asyncio.Queue(maxsize=16)
        listener = await ear(keep)
        taking = asyncio.ensure_future(take())
        for times in (1, 200):
            await say_and_wait(listener, times, lambda: len(taken) + len(lost))
        taking.cancel()
        listener.transport.close()
        await asyncio.sleep(0.05)

    run(main)
    assert (len(taken), lost) == (201, [])


def each_datagram_finds_the_next_future(
    run: Callable[[Any], object], rebinds: bool = False
) -> None:
    """A protocol sets the result of a future, and a task waits for that and makes the next.

    So, too, where it *rebinds* meanwhile, and hands over what the old socket has received.
    """
    taken: list[int] = []
    waited: list[asyncio.Future[int]] = []

    async def take() -> None:
        while True:
            waited.append(asyncio.get_running_loop().create_future())
            taken.append(await waited[-1])

    async def main() -> None:
        listener = await ear(lambda it: waited[-1].set_result(len(it.heard)))
        taking = asyncio.ensure_future(take())
        await asyncio.sleep(0)
        for times in (1, 50):
            if rebinds:
                async with Watchdog(listener.transport) as watchdog:
                    heard = len(listener.heard)
                    say(listener, times)
                    await watchdog.rebind()
                    await until(partial(has_heard, listener, heard + times), every=0.1)
            else:
                await say_and_wait(listener, times, lambda: len(listener.heard))
        taking.cancel()
        listener.transport.close()
        await asyncio.sleep(0.05)

    run(main)
    assert taken == list(range(1, 52))


def hear_bursts(
    run: Callable[[Any], object], on_datagram: Callable[[Ear], object], found: Sequence[object]
) -> None:
    """Have an endpoint hear 203 datagrams, alone and in bursts; *found* grows with each."""

    async def main() -> None:
        listener = await ear(on_datagram)
        for times in (1, 100, 1, 1, 100):
            await say_and_wait(listener, times, lambda: len(found))
        listener.transport.close()
        await asyncio.sleep(0.05)

    run(main)


def a_handler_finds_what_the_one_before_has_set(run: Callable[[Any], object]) -> None:
    """In one context, as asyncio's own reader calls them: a token of one is good in the next."""
    found: list[str] = []
    tokens: list[contextvars.Token[str]] = []

    def count(_: Ear) -> None:
        found.append(NAME.get())
        while tokens:
            NAME.reset(tokens.pop())
        tokens.append(NAME.set(str(len(found))))

    hear_bursts(run, count, found)
    assert found == ["nobody", *map(str, range(1, 203))]


def no_handler_finds_what_another_has_set(run: Callable[[Any], object]) -> None:
    """As asyncio's Proactor calls them: each in a context of its own, in a burst, too."""
    found: list[str] = []

    def note(_: Ear) -> None:
        found.append(NAME.get())
        NAME.set("another's")

    hear_bursts(run, note, found)
    assert found == ["nobody"] * 203


class Watched(Recorder):
    """Has itself watched as soon as it has a transport."""

    watchdog: Watchdog

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.watchdog = Watchdog(transport, Settings(probe_after=0.1, probe_timeout=0.5, tick=0.05))
        self.watchdog.start()

    def probes_answered(self) -> int:
        (status,) = self.watchdog.status().endpoints
        return status.probes["answered"]


def one_that_is_watched_within_connection_made_hears_all(run: Callable[[Any], object]) -> None:
    """And no probe; asyncio's own read is still to begin then."""

    async def main() -> None:
        listener = await endpoint(protocol=Watched)
        say(listener, 3)
        await until(lambda: listener.probes_answered() > 2)
        assert listener.heard == [b"0", b"1", b"2"]
        (status,) = listener.watchdog.status().endpoints
        assert (status.rearms, status.rebinds) == (0, 0)
        await listener.watchdog.stop()
        listener.transport.close()
        await asyncio.sleep(0.05)

    run(main)
