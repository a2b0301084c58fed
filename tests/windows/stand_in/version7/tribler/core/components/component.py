"""What the components of Tribler 7.13 have in common."""

from __future__ import annotations

import asyncio
import sys
from typing import Any


class Component:
    tribler_should_stop_on_component_error = True

    def __init__(self) -> None:
        self.session: Any = None
        self.started_event = asyncio.Event()
        self.failed = False

    async def start(self) -> None:
        try:
            await self.run()
        except Exception as exc:  # as Tribler 7.13 does
            sys.stderr.write(f"Exception in {type(self).__name__}.start(): {exc!r}\n")
            self.failed = True
            if self.tribler_should_stop_on_component_error:
                self.session.shutdown_event.set()
        self.started_event.set()

    async def stop(self) -> None:
        await self.shutdown()

    async def run(self) -> None:
        pass

    async def shutdown(self) -> None:
        pass

    async def get_component(self, dependency: Any) -> Any:
        found = self.session.components.get(dependency)
        if found is None:
            return None
        await found.started_event.wait()
        return None if found.failed else found
