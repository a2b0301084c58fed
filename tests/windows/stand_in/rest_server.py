"""What the REST servers of both Triblers do alike."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp_apispec import AiohttpApiSpec

SWAGGER = {
    "url": "/docs/swagger.json",
    "title": "Tribler REST API documentation",
    "version": "stand-in",
    "swagger_path": "/docs",
}


async def serve(runner: Any) -> int:
    """Serve the runner's application on loopback, with its documentation; returns the port."""
    AiohttpApiSpec(app=runner.app, **SWAGGER)
    await runner.setup()
    site: Any = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port: int = site._server.sockets[0].getsockname()[1]
    return port


async def stream(
    request: web.Request, responses: list[web.StreamResponse], closing: asyncio.Event
) -> web.StreamResponse:
    """Answer with a stream of events, which is among the *responses* until *closing*."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    responses.append(response)
    await closing.wait()
    responses.remove(response)
    return response
