"""Tribler 7.13's REST server."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from stand_in.rest_server import serve


class RESTManager:
    def __init__(self, config: dict[str, Any], root_endpoint: Any) -> None:
        self.config = config
        self.root_endpoint = root_endpoint
        self.runner: Any = None

    def get_endpoint(self, name: str) -> Any:
        return self.root_endpoint.endpoints.get("/" + name)

    async def start(self) -> None:
        self.runner = web.AppRunner(self.root_endpoint.app, access_log=None)
        self.config["port"] = await serve(self.runner)

    async def stop(self) -> None:
        await self.runner.cleanup()


@web.middleware
class ApiKeyMiddleware:
    def __init__(self, api_key: str) -> None:
        self.api_key = api_key

    async def __call__(self, request: web.Request, handler: Any) -> Any:
        if request.path.startswith("/docs"):
            return await handler(request)
        told = request.headers.get("X-Api-Key") or request.query.get("apikey")
        if told == self.api_key:
            return await handler(request)
        return web.json_response({"error": "Unauthorized access"}, status=401)
