"""An event loop whose turns and errors are counted."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable

QUIET = 20  # an idle loop turns once or twice in half a second; one that spins, some thousand times


class Watched:
    """A loop, how often it turned, and what its exception handler was told."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
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
            await asyncio.sleep(0.05)  # ProactorEventLoop begins to read in its first turn
            return await asyncio.wait_for(main(), 60)

        return self.loop.run_until_complete(begun())

    async def busy(self) -> tuple[int, int]:
        """Turns, and errors reported, in half a second in which there is nothing to do."""
        turns, failures = self.turns, len(self.failures)
        await asyncio.sleep(0.5)
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
