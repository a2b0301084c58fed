"""What is frozen for the tests: a UDP service that answers peers, some of which have departed.

It prints what became of it as JSON, and writes it into the file that FROZEN_APP_TELLS names.
"""

import asyncio
import json
import os
import socket
import sys
from typing import Any

DEPARTED = 20


class Service(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard = 0
        self.errors = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.heard += 1
        self.transport.sendto(data, address)

    def error_received(self, exc: Exception) -> None:
        self.errors += 1


async def serve() -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    local = ("127.0.0.1", 0)
    transport, service = await loop.create_datagram_endpoint(Service, local_addr=local)
    address = transport.get_extra_info("sockname")
    # All at once: stock asyncio survives an error that finds a receive waiting (F1), not one that
    # comes while it has a datagram in hand (F2).
    for _ in range(DEPARTED):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"good-bye", address)
    await asyncio.sleep(0.5)
    before = service.heard
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(5):
            peer.sendto(b"do you hear me?", address)
            await asyncio.sleep(0.1)
    return {
        "hears": service.heard == before + 5,
        "heard": service.heard,
        "errors": service.errors,
        "loop": type(loop).__name__,
        "plugin": "tribler_udp_fix" in sys.modules,
        "version": VERSION,
        "file": __file__,
        "executable": sys.executable,
        "arguments": sys.argv[1:],
        "frozen": getattr(sys, "frozen", False),
    }


VERSION = "1"

if __name__ == "__main__":
    if "--wait" in sys.argv:
        print("waiting", flush=True)
        sys.stdin.read()
    told = json.dumps(asyncio.run(serve()))
    print(told, flush=True)
    if os.environ.get("FROZEN_APP_TELLS"):
        with open(os.environ["FROZEN_APP_TELLS"], "w", encoding="utf-8") as file:
            file.write(told)
