"""The stream of events that Tribler 8's web UI listens to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web
from stand_in.rest_server import stream

from .rest_endpoint import RESTEndpoint


class EventsEndpoint(RESTEndpoint):
    path = "/api/events"

    def __init__(self) -> None:
        super().__init__()
        self.closing = asyncio.Event()
        self.events_responses: list[web.StreamResponse] = []
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.register_task("Process queue", self.process_queue)
        self.app.add_routes([web.get("", self.get_events)])

    def has_connection_to_gui(self) -> bool:
        return bool(self.events_responses)

    def send_event(self, message: dict[str, Any]) -> None:
        if self.has_connection_to_gui():
            self.queue.put_nowait(message)
        else:
            self._logger.warning("No connections to GUI, skip message: %s", message)

    async def process_queue(self) -> None:
        while True:
            message = await self.queue.get()
            data = json.dumps(message["kwargs"])
            for response in self.events_responses:
                await response.write(f"event: {message['topic']}\ndata: {data}\n\n".encode())

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        return await stream(request, self.events_responses, self.closing)
