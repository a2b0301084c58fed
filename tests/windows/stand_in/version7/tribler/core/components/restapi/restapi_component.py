"""The component of Tribler 7.13 that has the REST server."""

from __future__ import annotations

from typing import Any

from tribler.core.components.component import Component
from tribler.core.components.restapi.rest.events_endpoint import EventsEndpoint
from tribler.core.components.restapi.rest.rest_endpoint import RESTEndpoint
from tribler.core.components.restapi.rest.rest_manager import ApiKeyMiddleware, RESTManager


class RESTComponent(Component):  # type: ignore[misc]
    rest_manager: Any = None
    root_endpoint: Any = None

    async def run(self) -> None:
        await super().run()
        config = self.session.config
        self.root_endpoint = RESTEndpoint(middlewares=[ApiKeyMiddleware(config["key"])])
        self.root_endpoint.add_endpoint(EventsEndpoint.path, EventsEndpoint())
        self.rest_manager = RESTManager(config, root_endpoint=self.root_endpoint)
        await self.rest_manager.start()

    async def shutdown(self) -> None:
        await super().shutdown()
        await self.root_endpoint.shutdown()
        await self.rest_manager.stop()
