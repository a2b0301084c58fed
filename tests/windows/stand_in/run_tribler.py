"""A Tribler-like program: ``run_tribler.py 7|8``. It tells what was seen through its REST API.

With the plugin a reader is killed twice: the first time it heals, the second there is no budget
left, which lasts. It knows the plugin by its REST API and by the faults that it injects.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parent
VERSION = sys.argv[1]
sys.path[:0] = [str(HERE / f"version{VERSION}"), str(HERE.parent)]

from communities import service  # noqa: E402
from rest import KEY, Client, client  # noqa: E402

if VERSION == "8":
    from tribler.core.session import Session
else:
    from tribler.core import start_core
    from tribler.core.components.session import Session

PREFIX = {"7": "/udp-fix", "8": "/api/udp-fix"}[VERSION]
EVENTS = {"7": "/events", "8": "/api/events"}[VERSION]
LASTING = 1.0

logged: list[str] = []
leaked: list[str] = []


class Log(logging.Handler):
    """Keeps what Tribler's log would have from WARNING up, but for the watchdog's own lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.name != "tribler_udp_fix.watchdog":
            logged.append(f"{record.levelname}:{record.name}:{record.getMessage()}")


def session_and_port(ipv8: Any) -> tuple[Any, Callable[[], int]]:
    """A session that is not started, and the port that its REST server has when it is."""
    if VERSION == "8":
        ipv8.keys["anonymous id"] = next(iter(ipv8.keys.values()))
        config = {"api/key": KEY}
        return Session(config, ipv8), lambda: int(config["api/http_port_running"])
    config_7: dict[str, Any] = {"key": KEY, "ipv8": ipv8}
    session = Session(config_7, list(start_core.components_gen(config_7)))
    session.start = session.start_components
    return session, lambda: int(config_7["port"])


async def listen(http: Client, heard: list[tuple[str, Any]], opened: asyncio.Event) -> None:
    """Take the events from Tribler's stream, as its user interface does."""
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(
        http.address + EVENTS, headers={"X-Api-Key": KEY}
    ) as response:
        opened.set()
        topic = ""
        with contextlib.suppress(aiohttp.ClientError):  # the server goes first
            async for line in response.content:
                name, _, value = line.decode().strip().partition(": ")
                if name == "event":
                    topic = value
                elif name == "data":
                    message = json.loads(value)
                    if VERSION == "7":
                        topic, message = message["topic"], message["kwargs"]
                    heard.append((topic, message))


async def until(http: Client, condition: Callable[[Any], bool]) -> None:
    """Ask for health until it is as it should be."""
    for _ in range(300):
        health = (await http.get(f"{PREFIX}/health")).json
        if all(map(condition, health["watchdogs"][0]["endpoints"])):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(health)


async def main() -> dict[str, Any]:
    """Start, be asked, suffer, stop."""
    told: dict[str, Any] = {}
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: leaked.append(str(context)))
    told["loop"] = type(loop).__name__
    ipv8 = service(["UDPIPv4"])
    session, port = session_and_port(ipv8)
    relay: Any = sys.modules.get("tribler_udp_fix._tribler._relay")
    if relay is not None:
        relay.LASTING = LASTING
    await session.start()
    async with client(f"http://127.0.0.1:{port()}") as http:
        for path in ("/health", "/ui"):
            told[f"{path} without a key"] = (await http.get(PREFIX + path, key="")).status
            told[path] = (await http.get(PREFIX + path)).status
        swagger = (await http.get("/docs/swagger.json")).json
        told["documented"] = sorted(path for path in swagger["paths"] if "udp-fix" in path)
        told["components"] = [
            type(c).__name__
            for c in (ipv8.overlays if VERSION == "8" else session.components.values())
        ]
        if told["/health"] == 200:
            told["found"] = await found()
            told.update(await suffer(http, ipv8))
        await session.shutdown()
    if told["/health"] == 200:
        told["found when stopped"] = await found()
    told["tasks left"] = [
        task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()
    ]
    return told


async def found() -> list[Any]:
    """What ``tribler check`` finds of this process: how its page answers, and what is watched."""
    import urllib.request

    from tribler_udp_fix.cli import triblers

    def look() -> list[Any]:
        return [
            (
                urllib.request.urlopen(one["page"]).status,
                {"watchdogs": len(one["health"]["watchdogs"])},
            )
            for one in triblers.running()
            if one["pid"] == os.getpid()  # others of this user may run beside it
        ]

    return await asyncio.get_running_loop().run_in_executor(None, look)


async def suffer(http: Client, ipv8: Any) -> dict[str, Any]:
    """Kill a reader twice."""
    from tribler_udp_fix.testing import lost_completion

    health = (await http.get(f"{PREFIX}/health")).json
    (leaf,) = ipv8.endpoint.interfaces.values()
    heard: list[tuple[str, Any]] = []
    opened = asyncio.Event()
    listening = asyncio.ensure_future(listen(http, heard, opened))
    await opened.wait()
    with lost_completion(leaf, until="rebind"):
        await until(http, lambda e: e["rebinds"] == 1 and e["state"] == "healthy")
        # The stream may be behind.
        await until(http, lambda _: bool(heard) and heard[-1][1].get("state") == "healthy")
    healed = [kwargs for topic, kwargs in heard if topic == "udp_fix_health"]
    popups_when_healed = [kwargs for topic, kwargs in heard if topic == "tribler_exception"]
    foreign = await http.post(f"{PREFIX}/rebind", Origin="http://127.0.0.1:1")
    undeclared = await http.post(f"{PREFIX}/rebind", b"", Content_Type="text/plain")
    asked = [await http.post(f"{PREFIX}/rebind") for _ in range(2)]
    with lost_completion(leaf, until="rebind"):
        await until(http, lambda e: e["state"] == "backing off")
        await asyncio.sleep(3 * LASTING)
        popups = [kwargs for topic, kwargs in heard if topic == "tribler_exception"]
    # Tribler raises where its user interface goes while an event is on its way: this was the last.
    await until(http, lambda e: e["state"] == "healthy")
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return {
        "endpoint": health["watchdogs"][0]["endpoints"][0]["endpoint"],
        "tribler": [r["state"] for r in health["repairs"] if r["fault"] == "tribler"],
        "steps": [(e["kind"], e["state"]) for e in healed],
        "popups when healed": popups_when_healed,
        "rebind of another origin": (foreign.status, foreign.error["field"]),
        "rebind not declared as JSON": (undeclared.status, undeclared.error["field"]),
        "rebinds asked for": [answer.status for answer in asked],
        "popups": popups,
    }


if __name__ == "__main__":
    logging.getLogger().addHandler(Log(logging.WARNING))
    if sys.platform == "win32" and VERSION == "8":
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    result = asyncio.run(main())
    print(json.dumps({**result, "logged": logged, "leaked": leaked}))
