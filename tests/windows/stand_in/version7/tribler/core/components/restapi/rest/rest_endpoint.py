"""An endpoint of Tribler 7.13's REST API."""

from __future__ import annotations

from typing import Any

from aiohttp import web


class RESTEndpoint:
    path = ""

    def __init__(self, middlewares: Any = ()) -> None:
        self.app = web.Application(middlewares=middlewares)
        self.endpoints: dict[str, Any] = {}

    def add_endpoint(self, prefix: str, endpoint: Any) -> None:
        self.endpoints[prefix] = endpoint
        self.app.add_subapp(prefix, endpoint.app)

    async def shutdown(self) -> None:
        for endpoint in self.endpoints.values():
            if isinstance(endpoint, RESTEndpoint):
                await endpoint.shutdown()
