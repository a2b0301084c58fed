"""After how many ICMP errors an endpoint of this Python goes deaf: ``python lab_errors.py``.

Runs in a Windows Python without the plugin, and prints a line of JSON: the errors until deafness
where they come one at a time, and where two come at once; None where it hears after all of them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

MOST = 100
HOST = "127.0.0.1"


class Heard(asyncio.DatagramProtocol):
    """Counts the datagrams that arrive."""

    count = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.count += 1


def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((HOST, 0))
        return int(gone.getsockname()[1])


async def errors_until_deaf(at_once: int) -> int | None:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Heard, local_addr=(HOST, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for sent in range(at_once, MOST + 1, at_once):
            for _ in range(at_once):
                transport.sendto(b"to who has gone", (HOST, closed_port()))
            await asyncio.sleep(0.05)
            before = protocol.count
            for _ in range(3):  # one that is lost would say nothing
                peer.sendto(b"can you hear", transport.get_extra_info("sockname"))
            for _ in range(20):
                await asyncio.sleep(0.02)
                if protocol.count > before:
                    break
            else:
                transport.abort()
                return sent
    transport.abort()
    return None


async def main() -> None:
    found = {str(at_once): await errors_until_deaf(at_once) for at_once in (1, 2)}
    print(json.dumps({"python": sys.version.split()[0], "errors": found}))


if __name__ == "__main__":
    asyncio.run(main())
