"""Tribler 8's REST server."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from stand_in.rest_server import serve

from .rest_endpoint import RESTEndpoint, RootEndpoint


class RESTManager:
    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.root_endpoint = RootEndpoint(middlewares=(ApiKeyMiddleware(config["api/key"]),))
        self.runner: Any = None

    def add_endpoint(self, endpoint: Any) -> Any:
        self.root_endpoint.add_endpoint(endpoint.path, endpoint)
        return endpoint

    def get_endpoint(self, name: str) -> Any:
        ep = self.root_endpoint.endpoints.get(name)
        if ep is None:
            raise LookupError(name)
        return ep

    async def start(self) -> None:
        self.runner = web.AppRunner(self.root_endpoint.app, access_log=None)
        self.config["api/http_port_running"] = await serve(self.runner)

    async def stop(self) -> None:
        await self.runner.cleanup()
        for endpoint in (self.root_endpoint, *self.root_endpoint.endpoints.values()):
            if isinstance(endpoint, RESTEndpoint):
                await endpoint.shutdown_task_manager()


@web.middleware
class ApiKeyMiddleware:
    def __init__(self, api_key: str) -> None:
        self.api_key = api_key

    async def __call__(self, request: web.Request, handler: Any) -> Any:
        if request.path.startswith("/docs"):
            return await handler(request)
        told = request.headers.get("X-Api-Key") or request.query.get("key")
        if (told or request.cookies.get("api_key")) == self.api_key:
            return await handler(request)
        return web.json_response({"error": {"handled": True, "message": "no"}}, status=401)
