"""The stream of events that Tribler 7.13's user interface listens to."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from aiohttp import web
from stand_in.rest_server import stream

from .rest_endpoint import RESTEndpoint


class EventsEndpoint(RESTEndpoint):
    path = "/events"

    def __init__(self) -> None:
        super().__init__()
        self.closing = asyncio.Event()
        self.events_responses: list[web.StreamResponse] = []
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.processing = asyncio.get_running_loop().create_task(self.process_queue())
        self.app.add_routes([web.get("", self.get_events)])

    def has_connection_to_gui(self) -> bool:
        return bool(self.events_responses)

    def send_event(self, message: dict[str, Any]) -> None:
        if self.has_connection_to_gui():
            self.queue.put_nowait(message)
        else:
            logging.warning("No connections to GUI, skip message: %s", message)

    async def process_queue(self) -> None:
        while True:
            message = await self.queue.get()
            for response in self.events_responses:
                await response.write(f"data: {json.dumps(message)}\n\n".encode())

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        return await stream(request, self.events_responses, self.closing)

    async def shutdown(self) -> None:
        self.closing.set()
        self.processing.cancel()
