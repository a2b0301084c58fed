"""The REST stack of pyipv8, with the plugin's endpoint in it, and a client."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from typing import Any, AsyncIterator, NamedTuple

KEY = "a key"


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: Any
    text: str
    json: Any

    @property
    def error(self) -> Any:
        """The error in it."""
        return self.json["error"]


class Client:
    """Asks a server, with the key unless told otherwise."""

    def __init__(self, session: Any, address: str) -> None:
        self._session = session
        self.address = address

    async def ask(
        self, method: str, path: str, body: Any = None, key: str = KEY, **headers: str
    ) -> Answer:
        """One request: *body* is bytes, or goes as JSON; an underscore in a header is a hyphen."""
        what = {"data": body} if isinstance(body, bytes) else {"json": body}
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if method == "POST":
            headers.setdefault("Content-Type", "application/json")
        if key:
            headers["X-Api-Key"] = key
        url = self.address + path
        async with self._session.request(method, url, headers=headers, **what) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return Answer(
                response.status, response.headers, text, await response.json() if is_json else None
            )

    async def get(self, path: str, **options: Any) -> Answer:
        """A GET."""
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """A POST."""
        return await self.ask("POST", path, body, **options)


@contextlib.asynccontextmanager
async def served(endpoint: Any, ipv8: Any) -> AsyncIterator[Client]:
    """pyipv8's own RESTManager, behind a key, with *endpoint* beside its own."""
    from ipv8.REST.rest_manager import RESTManager
    from ipv8.REST.root_endpoint import RootEndpoint

    class Root(RootEndpoint):  # type: ignore[misc]
        def setup_routes(self) -> None:
            super().setup_routes()
            self.app.add_subapp(endpoint.path, endpoint.app)

    manager = RESTManager(ipv8, Root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of aiohttp, at what pyipv8 and aiohttp_apispec do
        await manager.start(0, "127.0.0.1", KEY)
    site: Any = manager.site
    port = site._server.sockets[0].getsockname()[1]
    async with client(f"http://127.0.0.1:{port}") as made:
        yield made
    await manager.stop()
    await site._runner.cleanup()


@contextlib.asynccontextmanager
async def client(address: str) -> AsyncIterator[Client]:
    """A client of the server at an address such as ``http://127.0.0.1:8085``."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        yield Client(session, address)
    await asyncio.sleep(0)  # aiohttp closes its transports in the next turn
