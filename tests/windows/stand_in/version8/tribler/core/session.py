"""The part of Tribler 8's Session that the plugin relies on; tests read the rest from Tribler."""

from __future__ import annotations

from typing import Any

from ipv8.loader import IPv8CommunityLoader

from tribler.core.components import ComponentLauncher
from tribler.core.restapi.events_endpoint import EventsEndpoint
from tribler.core.restapi.rest_manager import RESTManager


class OwnComponent(ComponentLauncher):  # type: ignore[misc]
    pass


class Session:
    def __init__(self, config: dict[str, Any], ipv8: Any) -> None:
        self.config = config
        self.ipv8 = ipv8
        self.loader = IPv8CommunityLoader()
        self.rest_manager = RESTManager(config)

    def register_launchers(self) -> None:
        for launcher_class in [OwnComponent]:
            instance = launcher_class()
            for rest_ep in instance.get_endpoints():
                self.rest_manager.add_endpoint(rest_ep)
            self.loader.set_launcher(instance)

    async def start(self) -> None:
        self.rest_manager.add_endpoint(EventsEndpoint())
        self.register_launchers()
        await self.rest_manager.start()
        self.loader.load(self.ipv8, self)
        await self.ipv8.start()

    async def shutdown(self) -> None:
        await self.ipv8.stop()
        self.rest_manager.get_endpoint("/api/events").closing.set()
        await self.rest_manager.stop()
