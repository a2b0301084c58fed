"""The core process of Tribler 7.13: its components, in a session."""

from __future__ import annotations

import asyncio
from typing import Any, Iterator

from tribler.core.components.component import Component
from tribler.core.components.restapi.restapi_component import RESTComponent


class Ipv8Component(Component):  # type: ignore[misc]
    async def run(self) -> None:
        await self.session.config["ipv8"].start()

    async def shutdown(self) -> None:
        await self.session.config["ipv8"].stop()


def components_gen(config: dict[str, Any]) -> Iterator[Any]:
    yield RESTComponent()
    yield Ipv8Component()


class Session:
    def __init__(self, config: dict[str, Any], components: list[Any]) -> None:
        self.config = config
        self.shutdown_event = asyncio.Event()
        self.components = {type(component): component for component in components}
        for component in components:
            component.session = self

    async def start(self) -> None:
        await asyncio.gather(*(component.start() for component in self.components.values()))

    async def shutdown(self) -> None:
        await asyncio.gather(*(component.stop() for component in self.components.values()))


def make_session(config: dict[str, Any]) -> Session:
    return Session(config, list(components_gen(config)))
