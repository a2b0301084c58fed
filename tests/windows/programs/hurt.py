"""What the programs of others suffer here, and how long it is waited for them.

The watchdog of the setting ``watch=all`` mends them, where the plugin is on at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, Callable, ContextManager, Coroutine

import tribler_udp_fix
from tribler_udp_fix.testing import lost_completion

# The next receive is as good as any; only another socket helps.
LOST, DEAF = "rearm", "rebind"
PATIENCE = 6.0  # seconds without any progress, after which a program is dead

Fault = Callable[[Any, str], ContextManager[None]]


async def goes_on(progress: Callable[[], int], target: int, patience: float = PATIENCE) -> bool:
    """Wait until *progress* has come to *target*; whether it has, or stands still."""
    loop = asyncio.get_running_loop()
    best, since = progress(), loop.time()
    while best < target:
        await asyncio.sleep(0.02)
        now = progress()
        if now > best:
            best, since = now, loop.time()
        elif loop.time() - since > patience:
            return False
    return True


def lose(stack: contextlib.ExitStack, transport: Any, until: str) -> None:
    """Lose the receive that *transport* has posted, until the end of *stack* or its repair."""
    stack.enter_context(lost_completion(transport, until=until))


def mended() -> list[str]:
    """What every watchdog did, as ``kind address``, in order."""
    events = [event for each in tribler_udp_fix.status().watchdogs for event in each.history]
    kinds = ("re-armed", "rebound")
    return [f"{event.kind.value}" for event in events if event.kind.value in kinds]


def play(scene: Coroutine[Any, Any, dict[str, Any]]) -> None:
    """Run *scene* on the loop that asyncio chooses, and print what came of it as JSON."""
    print(json.dumps(asyncio.run(scene)))
