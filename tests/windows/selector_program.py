"""A program of the shape of Tribler 8's run_tribler.py, which forces the Selector on Windows.

It prints, as JSON, what each of its two runs was on. Words on the command line change it: "default"
sets no policy, "factory" names its loop, "crowd" opens more sockets than a select() takes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import Any

from udp import Recorder, closed_address, endpoint, send

CROWD = 600  # select() takes 512 sockets on Windows, the loop's own among them
DEPARTED = 10

runs: list[dict[str, Any]] = []


async def hears(protocol: Any, data: bytes) -> bool:
    """Whether the endpoint hears *data*, sent by a peer that is there, within two seconds."""
    for _ in range(200):
        send(protocol.address, data)
        await asyncio.sleep(0.01)
        if data in protocol.heard:
            return True
    return False


async def main() -> bool:
    """Be a service that answers departed peers; ask for one restart, as Tribler may."""
    service: Recorder = await endpoint()
    for _ in range(DEPARTED):
        service.transport.sendto(b"answer", closed_address())
    await asyncio.sleep(0.1)
    crowd: list[Any] = [await endpoint() for _ in range(CROWD if "crowd" in sys.argv else 0)]
    runs.append(
        {
            "loop": type(asyncio.get_running_loop()).__name__.lstrip("_").replace("Windows", ""),
            "transport": type(service.transport).__name__,
            "hears": await hears(service, b"anyone there?"),
            "crowd": len(crowd),
            "crowd_hears": all([await hears(one, b"you too?") for one in crowd]),
        }
    )
    for one in (service, *crowd):
        one.transport.close()
    await asyncio.sleep(0.05)
    return len(runs) < 2


if __name__ == "__main__":
    if sys.platform == "win32" and "default" not in sys.argv:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # since 3.14
            asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    options: Any = {}
    if "factory" in sys.argv:
        options["loop_factory"] = asyncio.SelectorEventLoop
    restart = True
    while restart:
        restart = asyncio.run(main(), **options)
    print(json.dumps(runs))
