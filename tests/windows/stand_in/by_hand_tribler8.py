"""Tribler 8's own Session, headless, with a reader killed: docs/tribler.md says how to run it.

    by_hand_tribler8.py CLONE DEPENDENCIES STATE_DIRECTORY

It does as Tribler's ``run_tribler.py --server`` does, without its tray icon, on loopback alone and
with libtorrent's DHT off, and says what it has seen.
"""

from __future__ import annotations

import asyncio
import json
import logging
import site
import sys
import time
from pathlib import Path
from typing import Any

CLONE, DEPENDENCIES, STATE = map(Path, sys.argv[1:])
site.addsitedir(str(DEPENDENCIES))  # pywin32 has a .pth
sys.path[:0] = [str(CLONE / "src"), str(Path(__file__).resolve().parent.parent)]
KEY = "a key of the test"

popups: list[str] = []


def configuration() -> Any:
    """Tribler's configuration, for a machine with nothing but loopback."""
    from tribler.tribler_config import VERSION_SUBDIR, TriblerConfigManager

    folder = STATE / VERSION_SUBDIR
    folder.mkdir(parents=True, exist_ok=True)
    config = TriblerConfigManager(folder / "configuration.json")
    interfaces = [
        {"interface": "UDPIPv4", "ip": "127.0.0.1", "port": 0},
        {"interface": "UDPIPv6", "ip": "::1", "port": 0},
    ]
    keys = [
        {**key, "file": str(folder / Path(key["file"]).name)} for key in config.get("ipv8/keys")
    ]
    for name, value in {
        "state_dir": str(STATE),
        "api/key": KEY,
        "ipv8/interfaces": interfaces,
        "ipv8/keys": keys,
        "libtorrent/dht": False,
        "libtorrent/lsd": False,
        "libtorrent/natpmp": False,
        "libtorrent/upnp": False,
    }.items():
        config.set(name, value)
    config.write()
    return config


async def main() -> None:
    """Start, ask, kill a reader, see it heal, stop."""
    from rest import client
    from tribler.core.session import Session

    session = Session(configuration())
    await session.start()
    port = session.rest_manager.get_api_port()
    async with client(f"http://127.0.0.1:{port}") as http:
        listening = asyncio.ensure_future(listen(http))
        key = {"key": KEY}
        without = await http.get("/api/udp-fix/health", key="")
        answer = await http.get("/api/udp-fix/health", **key)
        say("health", f"{without.status} without a key, {answer.status} with it")
        if answer.status == 200:
            await look(http, session, answer.json)
        else:
            await asyncio.sleep(20)
        say("shutdown", "begins")
        await session.shutdown()
        await asyncio.gather(listening, return_exceptions=True)
    left = [t.get_name() for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    say("shutdown", f"ended, tasks left: {left}")


async def look(http: Any, session: Any, health: Any) -> None:
    """What is there with the plugin only."""
    from tribler_udp_fix.testing import deaf_rust_endpoint, lost_completion

    key = {"key": KEY}
    say("versions", json.dumps(health["versions"]))
    for repair in health["repairs"]:
        if repair["fault"] == "tribler":
            say("tribler", f"{repair['state']}: {repair['reason']}")
    for endpoint in health["watchdogs"][0]["endpoints"]:
        say("endpoint", f"{endpoint['name']} is {endpoint['state']}")
    say("loop", health["watchdogs"][0]["loop"])
    page = await http.get("/api/udp-fix/ui", **key)
    say("page", f"{page.status} {page.headers['Content-Type']}, {len(page.text)} characters")
    swagger = (await http.get("/docs/swagger.json", **key)).json
    say("swagger", ", ".join(path for path in swagger["paths"] if "udp-fix" in path))
    bad = await http.post("/api/udp-fix/rebind", {"endpoint": "nobody"}, **key)
    say("bad input", f"{bad.status} {bad.error['message']}")
    leaf = session.ipv8.endpoint.interfaces["UDPIPv6"]
    say("fault", "the reader of the IPv6 endpoint is killed, and no read on its socket completes")
    with lost_completion(leaf, until="rebind"):
        begun = time.monotonic()
        while (mine := await ask(http, "UDPv6Endpoint"))["rebinds"] == 0:
            await asyncio.sleep(0.2)
        while mine["state"] != "healthy":
            await asyncio.sleep(0.2)
            mine = await ask(http, "UDPv6Endpoint")
    say(
        "healed",
        f"after {time.monotonic() - begun:.1f} s: {mine['name']}, {mine['rebinds']} rebind",
    )
    names = [e["name"] for dog in health["watchdogs"] for e in dog["endpoints"]]
    for name in names:
        asked = await http.post("/api/udp-fix/rebind", {"endpoint": name}, **key)
        say("rebind", f"{asked.status} {asked.json.get('refused') or asked.json['accepted']}")
    say("fault", "the Rust endpoint goes deaf, which is reported and not mended")
    with deaf_rust_endpoint(session.rust_endpoint):
        begun = time.monotonic()
        while popups == [] and time.monotonic() - begun < 120:
            await asyncio.sleep(0.5)
    while (await ask(http, "Endpoint"))["state"] != "healthy":
        await asyncio.sleep(0.5)
    await asyncio.sleep(1)


async def ask(http: Any, cls: str) -> Any:
    """The endpoint of this class, as health has it."""
    health = (await http.get("/api/udp-fix/health", key=KEY)).json
    return next(e for dog in health["watchdogs"] for e in dog["endpoints"] if e["endpoint"] == cls)


async def listen(http: Any) -> None:
    """Tribler's stream of events, as the web UI has it."""
    import aiohttp

    url, headers = http.address + "/api/events", {"X-Api-Key": KEY}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        async for line in response.content:
            name, _, value = line.decode().strip().partition(": ")
            if name == "event":
                topic = value
            if name == "data" and topic == "tribler_exception":
                popups.append(json.loads(value)["traceback"])
                say("pop-up", popups[-1])
            elif name == "data" and '"kind"' in value:
                event = json.loads(value)
                state = f": {event['previous']} -> {event['state']}" if event["state"] else ""
                say("stream", f"{event['endpoint']} {event['kind']}{state} ({event['cause']})")


def say(what: str, text: str) -> None:
    """One line of the outcome."""
    print(f"{what:10} {text}", flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, filename=STATE.with_suffix(".log"), filemode="w")
    if sys.platform == "win32":  # as run_tribler.py does
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    asyncio.run(main())
