"""20 MB from an aioquic client to an aioquic server, both hurt on the way.

``python quic.py all|one`` prints how much came, as JSON: with every fault on both sides, or with
one lost completion. The program of aioquic's knows of none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import random
import socket
import ssl
import sys
from typing import Any

from aioquic.asyncio import connect, serve
from aioquic.quic.configuration import QuicConfiguration
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hurt import DEAF, LOST, goes_on, lose, mended, play

import tribler_udp_fix
from tribler_udp_fix import Watchdog

SIZE = 20_000_000
DATAGRAM = 8192  # bytes; with the 1,200 of the internet it takes a minute in the lab
# Who is hurt, how, and after how many bytes.
ALL = (
    ("server", LOST, 2_000_000),
    ("client", LOST, 6_000_000),
    ("server", DEAF, 10_000_000),
    ("client", DEAF, 14_000_000),
)
ONE = ALL[:1]


def dual_stack() -> socket.socket:
    """A socket like the one that aioquic's client makes for itself."""
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return sock


async def transfer(faults: Any) -> dict[str, Any]:
    """Send it, and tell what came."""
    digest, got, tasks = hashlib.sha256(), [0], []

    def stream(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        async def read() -> None:
            while piece := await reader.read(1 << 16):
                digest.update(piece)
                got[0] += len(piece)

        tasks.append(asyncio.ensure_future(read()))

    there = QuicConfiguration(is_client=False, max_datagram_size=DATAGRAM)
    there.certificate, there.private_key = _certificate()
    here = QuicConfiguration(is_client=True, verify_mode=ssl.CERT_NONE, max_datagram_size=DATAGRAM)
    server = await serve("::1", 0, configuration=there, stream_handler=stream)
    port = server._transport.get_extra_info("sockname")[1]
    data = random.Random(1).randbytes(SIZE)
    opened = contextlib.AsyncExitStack()
    client = await opened.enter_async_context(connect("::1", port, configuration=here))
    sides = {"server": server._transport, "client": client._transport}
    if tribler_udp_fix.status().installed:
        # The client made its socket itself, so that its owner has to say how the next is made.
        await opened.enter_async_context(Watchdog(client._transport, make_socket=dual_stack))
    _, writer = await client.create_stream()
    writer.write(data)
    writer.write_eof()
    with contextlib.ExitStack() as stack:
        for side, until, after in faults:
            if not await goes_on(lambda: got[0], after):
                break
            lose(stack, sides[side], until)
        await goes_on(lambda: got[0], SIZE)
        come, done = got[0], mended()
    with contextlib.suppress(asyncio.TimeoutError):  # whose other side is deaf is long in closing
        await asyncio.wait_for(opened.aclose(), 2.0)
    server.close()
    intact = digest.digest() == hashlib.sha256(data).digest()
    return {"came": come, "intact": intact, "mended": done}


def _certificate() -> tuple[Any, Any]:
    """A certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
    return builder.sign(key, hashes.SHA256()), key


if __name__ == "__main__":
    play(transfer(ALL if sys.argv[1] == "all" else ONE))
