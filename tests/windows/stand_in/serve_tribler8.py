"""Tribler 8 as the stand-in has it, with the plugin: tells its port, serves until stdin ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "version8"), str(HERE.parent)]

import tribler_udp_fix  # noqa: E402

# A new socket in a moment, and as many as anybody asks for.
SETTINGS = tribler_udp_fix.Settings(probe_timeout=0.3, tick=0.05, rebinds_per_hour=3600)
tribler_udp_fix.install(SETTINGS)

from communities import service  # noqa: E402
from rest import KEY  # noqa: E402
from tribler.core.session import Session  # noqa: E402


async def main() -> None:
    """Serve."""
    import ipv8_service  # noqa: F401

    loop = asyncio.get_running_loop()
    ipv8 = service(["UDPIPv4", "UDPIPv6"])
    ipv8.keys["anonymous id"] = next(iter(ipv8.keys.values()))
    config: dict[str, Any] = {"api/key": KEY}
    session = Session(config, ipv8)
    await session.start()
    print(config["api/http_port_running"], flush=True)
    with contextlib.suppress(EOFError):
        await loop.run_in_executor(None, sys.stdin.read)
    await session.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main())
