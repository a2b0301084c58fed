"""A day of a watched IPv8 endpoint, on a loop whose time runs ahead of the clock.

``python day.py busy|idle`` prints what the watchdog did, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from watched import new_endpoint, say

from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix.testing import fast_loop

DAY = 86_400.0
PAUSE = 5.0  # seconds between two datagrams of a busy endpoint


async def live(seconds: float, busy: bool) -> dict[str, Any]:
    """Watch an endpoint for so many seconds of the loop's time, with the default settings."""
    endpoint = new_endpoint()
    assert await endpoint.open()
    loop = asyncio.get_running_loop()
    started, end, said = time.perf_counter(), loop.time() + seconds, 0
    async with Watchdog(endpoint, Settings()) as watchdog:
        while loop.time() < end:
            if busy:
                say(endpoint, b"message")
                said += 1
            await asyncio.sleep(PAUSE)
        status = watchdog.status().endpoints[0]
        steps = [str(event) for event in watchdog.status().history]
    heard = endpoint.bytes_down
    endpoint.close()
    await asyncio.sleep(0.1)
    return {
        "said": said,
        "heard": heard,
        "probes": status.probes,
        "rearms": status.rearms,
        "rebinds": status.rebinds,
        "history": steps,
        "real_seconds": time.perf_counter() - started,
    }


def main(kind: str, hours: float = 24.0) -> dict[str, Any]:
    loop = fast_loop()
    try:
        return loop.run_until_complete(live(hours * 3600, kind == "busy"))
    finally:
        loop.close()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], *map(float, sys.argv[2:3]))))
