"""The session of Tribler 7.13: its components, and what they share."""

from __future__ import annotations

import asyncio
from typing import Any


class Session:
    def __init__(self, config: dict[str, Any], components: list[Any]) -> None:
        self.config = config
        self.shutdown_event = asyncio.Event()
        self.components = {type(component): component for component in components}
        for component in components:
            component.session = self

    async def start_components(self) -> None:
        await asyncio.gather(*(component.start() for component in self.components.values()))

    async def shutdown(self) -> None:
        await asyncio.gather(*(component.stop() for component in self.components.values()))
