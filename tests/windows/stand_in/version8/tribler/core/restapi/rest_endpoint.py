"""An endpoint of Tribler 8's REST API."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from ipv8.taskmanager import TaskManager


class RESTEndpoint(TaskManager):  # type: ignore[misc]
    path: str

    def __init__(self, middlewares: tuple[Any, ...] = ()) -> None:
        super().__init__()
        self.app = web.Application(middlewares=middlewares)


class RootEndpoint(RESTEndpoint):
    def __init__(self, middlewares: tuple[Any, ...] = ()) -> None:
        super().__init__(middlewares)
        self.endpoints: dict[str, Any] = {}

    def add_endpoint(self, prefix: str, endpoint: Any) -> None:
        self.endpoints[prefix] = endpoint
        self.app.add_subapp(prefix, endpoint.app)
