"""A selector loop whose turns and errors are counted."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable

QUIET = 20  # an idle loop turns once or twice in a fifth of a second; one that spins, thousands


class Watched:
    """A loop, how often it turned, and what its exception handler was told."""

    def __init__(self) -> None:
        loop: Any = asyncio.SelectorEventLoop
        self.loop = loop()
        self.turns = 0
        self.failures: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))
        self._turn = self.loop._run_once
        self.loop._run_once = self._counted_turn

    def _counted_turn(self) -> None:
        self.turns += 1
        self._turn()

    def run(self, main: Callable[[], Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(main(), 60))

    async def busy(self) -> tuple[int, int]:
        """Turns, and errors reported, in a fifth of a second in which there is nothing to do."""
        turns, failures = self.turns, len(self.failures)
        await asyncio.sleep(0.2)
        return self.turns - turns, len(self.failures) - failures

    async def hears_thread(self, patience: float = 20) -> bool:
        """Whether a thread wakes the loop before it wakes of itself."""
        woken = self.loop.create_future()
        begun = self.loop.time()
        alarm = self.loop.call_later(patience, lambda: None)
        thread = threading.Timer(0.05, self.loop.call_soon_threadsafe, [woken.set_result, None])
        thread.start()
        await woken
        alarm.cancel()
        thread.join()
        return bool(self.loop.time() - begun < patience)
