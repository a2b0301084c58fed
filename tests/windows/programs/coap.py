"""An aiocoap observation, both sides hurt while it lasts.

``python coap.py all|one`` prints how many notifications came, as JSON: with every fault on both
sides, or with one lost completion. Notifications are confirmable: who is deaf to one is sent it
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Any

import aiocoap
from aiocoap import resource
from hurt import DEAF, LOST, goes_on, lose, mended, play

# Who is hurt, and how.
ALL = (("client", LOST), ("server", LOST), ("client", DEAF), ("server", DEAF))
ONE = ALL[:1]
# Notifications before the next is hurt. What waited for a side that hears again comes all at once,
# so that they are counted from when it was hurt.
MORE = 5
# Seconds: a notification is sent again after 2 to 3 s, then 4 to 6, then 8 to 12.
PATIENCE = {ALL: 30.0, ONE: 10.0}


class Counter(resource.ObservableResource):  # type: ignore[misc]
    """A number that grows when somebody has heard of it."""

    value = 0

    def grow(self) -> None:
        """Notify who observes."""
        self.value += 1
        self.updated_state()

    async def render_get(self, _request: Any) -> Any:
        """Tell the number."""
        return aiocoap.Message(payload=b"%d" % self.value)


async def observe(faults: Any) -> dict[str, Any]:
    """Observe it, and tell what was heard."""
    counter, site, patience = Counter(), resource.Site(), PATIENCE[faults]
    site.add_resource(["count"], counter)
    ways = ["simplesocketserver"]
    port = _free_port()
    server = await aiocoap.Context.create_server_context(
        site, bind=("127.0.0.1", port), transports=ways
    )
    # A node that serves as well: its socket is not connected, so that it can be rebound.
    client = await aiocoap.Context.create_server_context(
        resource.Site(), bind=("127.0.0.1", _free_port()), transports=ways
    )
    request = aiocoap.Message(code=aiocoap.GET, uri=f"coap://127.0.0.1:{port}/count", observe=0)
    asked = client.request(request)
    heard: list[int] = []

    async def listen() -> None:
        async for said in asked.observation:
            heard.append(int(said.payload))

    await asked.response
    listening = asyncio.ensure_future(listen())
    sides = {name: _transport(side) for name, side in (("server", server), ("client", client))}

    async def count() -> None:
        while True:
            await asyncio.sleep(0.1)
            counter.grow()

    counting = asyncio.ensure_future(count())
    went_on = await goes_on(lambda: len(heard), MORE, patience)
    with contextlib.ExitStack() as stack:
        for side, until in faults:
            if not went_on:
                break
            lose(stack, sides[side], until)
            went_on = await goes_on(lambda: len(heard), len(heard) + MORE, patience)
        if went_on:  # a new socket is told of when its probe is answered, too
            rebinds = [until for _, until in faults].count(DEAF)
            await goes_on(lambda: mended().count("rebound"), rebinds, patience)
        done = mended()
    counting.cancel()
    listening.cancel()
    await client.shutdown()
    await server.shutdown()
    return {"heard": len(heard), "went_on": went_on, "mended": done}


def _free_port() -> int:
    """A port for aiocoap, which wants a number."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _transport(context: Any) -> Any:
    (interface,) = context.request_interfaces
    return interface.token_interface.message_interface._pool._transport


if __name__ == "__main__":
    play(observe(ALL if sys.argv[1] == "all" else ONE))
