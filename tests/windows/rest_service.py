"""An IPv8 instance under watch and its REST server, as a Tribler has both, and its health."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any, AsyncIterator, Callable, Sequence

from communities import service
from rest import Client, served

import tribler_udp_fix
from tribler_udp_fix import Settings

QUICK = Settings(probe_after=0.6, probe_timeout=0.3, tick=0.05, jitter=0.0)


def run(main: Callable[[], Any], settings: Settings = QUICK, *, both: bool = True) -> None:
    """Run *main* with the plugin: on both of asyncio's loops, or on the Proactor alone."""
    import ipv8_service  # noqa: F401

    assert sys.platform == "win32"
    loops = (asyncio.ProactorEventLoop, asyncio.SelectorEventLoop)
    tribler_udp_fix.install(settings)
    try:
        for make in loops if both else loops[:1]:
            _run_on(make(), main)
    finally:
        tribler_udp_fix.install(Settings())
        tribler_udp_fix.uninstall()


def _run_on(loop: Any, main: Callable[[], Any]) -> None:
    failures: list[object] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 60))
    finally:
        loop.close()
    assert failures == []


@contextlib.asynccontextmanager
async def tribler_like(
    interfaces: Sequence[str] = ("UDPIPv4",),
) -> AsyncIterator[tuple[Any, Client]]:
    """An IPv8 instance and a REST server with the endpoint in it: both, and the client."""
    from tribler_udp_fix._tribler._docs import DocumentedEndpoint

    ipv8 = service(list(interfaces))
    await ipv8.start()
    async with served(DocumentedEndpoint("/udp-fix"), ipv8) as client:
        yield ipv8, client
    await ipv8.stop()


def names(health: Any) -> list[str]:
    """The names of the endpoints under watch."""
    return [e["name"] for dog in health["watchdogs"] for e in dog["endpoints"]]


def only(health: Any) -> Any:
    """The one endpoint under watch."""
    ((endpoint,),) = (dog["endpoints"] for dog in health["watchdogs"])
    return endpoint


async def until(client: Client, condition: Callable[[Any], Any], seconds: float = 15.0) -> Any:
    """Ask for health until *condition* holds of it: that health."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        health = (await client.get("/udp-fix/health")).json
        if condition(health):
            return health
        assert loop.time() < deadline, health["watchdogs"]
        await asyncio.sleep(0.05)
