"""An event loop whose turns and errors are counted, and what is done to its wake-up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from typing import Any, Callable, Iterator

from tribler_udp_fix._asyncio._wakeup import wakeup_fault
from tribler_udp_fix.testing._wakeup import wakeup_cut, wakeup_end, wakeup_reset

QUIET = 20  # turns: an idle loop takes one or two while it is watched; one that spins, thousands
INJURIES = [wakeup_reset, wakeup_end, wakeup_cut]


class Watched:
    """A loop, how often it turned, and what its exception handler was told.

    *seconds* is how long `busy` watches it.
    """

    def __init__(self, loop: Any, seconds: float = 0.5) -> None:
        self.loop = loop
        self.seconds = seconds
        self.turns = 0
        self.failures: list[Any] = []
        loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self._turn: Any = loop._run_once
        loop._run_once = self._counted_turn

    def _counted_turn(self) -> None:
        self.turns += 1
        self._turn()

    def run(self, main: Callable[[], Any]) -> Any:
        async def begun() -> Any:
            if hasattr(self.loop, "_self_reading_future"):
                await asyncio.sleep(0.05)  # ProactorEventLoop begins to read in its first turn
            return await asyncio.wait_for(main(), 60)

        return self.loop.run_until_complete(begun())

    async def busy(self) -> tuple[int, int]:
        """Turns, and errors reported, in a while in which there is nothing to do."""
        turns, failures = self.turns, len(self.failures)
        await asyncio.sleep(self.seconds)
        return self.turns - turns, len(self.failures) - failures

    async def wake(self, call: Callable[[Callable[[], None]], Any], patience: float) -> bool:
        """Whether a thread, by *call*, wakes the loop before it wakes of itself."""
        woken = self.loop.create_future()
        begun = self.loop.time()

        def arrived() -> None:
            if not woken.done():
                woken.set_result(self.loop.time() - begun)

        alarm = self.loop.call_later(patience, lambda: None)
        begin = threading.Timer(0.1, call, [arrived])
        begin.start()
        took: float = await woken
        alarm.cancel()
        begin.join()
        return took < patience

    async def hears_thread(self, patience: float = 20) -> bool:
        return await self.wake(self.loop.call_soon_threadsafe, patience)

    async def is_looked_at_while_a_thread_calls(self) -> None:
        """Look for a fault in each turn while a thread calls: there is none, no call is lost."""
        heard: list[int] = []

        def call_often() -> None:
            for number in range(300):
                self.loop.call_soon_threadsafe(heard.append, number)

        thread = threading.Thread(target=call_often)
        thread.start()
        while len(heard) < 300:
            assert wakeup_fault(self.loop) is None
            await asyncio.sleep(0)
        thread.join()
        assert heard == list(range(300))


@contextlib.contextmanager
def watching(loop: Any, seconds: float = 0.5) -> Iterator[Watched]:
    """Watch a loop, and close it in the end."""
    yield Watched(loop, seconds)
    loop.close()
    gc.collect()  # a socket that nobody closed is a ResourceWarning, and so an error
