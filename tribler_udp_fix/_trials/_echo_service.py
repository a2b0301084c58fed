"""An echo service and its peers in one process: what ``tribler-udp-fix demo`` runs and draws.

Some peers wait for their answer. Others send one datagram and close their socket before the
answer comes, as peers do whose program ended: the answer then meets a closed port. The service
is a plain ``create_datagram_endpoint`` and knows nothing of the plugin: the environment
variable alone decides whether it is on.

Prints one JSON object a line: a start, ten samples a second, an end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import socket
import sys
import threading
import time
from typing import Any, Iterator, Tuple

Address = Tuple[Any, ...]

LOOPBACK = "127.0.0.1"
INTERVAL = 0.1  # seconds between samples
QUIET_SAMPLES = 10  # so many samples without a datagram, after the last was sent, are the end
GROUP = 6  # three peers that stay, then three that depart at once
ALL_STAY = 0.25  # of the peers, those of the beginning


class EchoService(asyncio.DatagramProtocol):
    """Answers every datagram with itself and counts what it is told."""

    def __init__(self) -> None:
        self.heard = 0
        self.errors = 0
        self.last_heard = time.monotonic()

    def connection_made(self, transport: Any) -> None:
        """Keep the transport to answer with."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Answer, whether or not the peer is still there."""
        self.heard += 1
        self.last_heard = time.monotonic()
        self.transport.sendto(data, addr)

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002
        """Count the error; this service has no use for its kind."""
        self.errors += 1


class Peers(threading.Thread):
    """Sends one datagram from each peer, evenly over the time given.

    All of the first quarter stay, so that a run shows the service at work; after that, three of
    six depart, one right behind the other.
    """

    def __init__(self, service: Address, count: int, seconds: float) -> None:
        super().__init__(name="peers", daemon=True)
        self.sent = 0
        self._service = service
        self._count = count
        self._seconds = seconds
        self._staying: list[socket.socket] = []

    def run(self) -> None:
        """Send them all."""
        start = time.monotonic()
        for number, due, departs in self._schedule():
            time.sleep(max(0.0, start + due * self._seconds - time.monotonic()))
            peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            peer.sendto(b"peer %d" % number, self._service)
            self.sent += 1
            if departs:
                peer.close()
            else:
                self._staying.append(peer)

    def _schedule(self) -> Iterator[tuple[int, float, bool]]:
        """Each peer's number, when it sends (0 to 1) and whether it departs."""
        for number in range(self._count):
            place = number % GROUP
            departs = place >= GROUP // 2 and number >= self._count * ALL_STAY
            # Those that depart send together, so that their errors come together.
            due = number - place + GROUP // 2 if departs else number
            yield number, due / self._count, departs

    @property
    def stayed(self) -> int:
        """How many peers wait for an answer."""
        return len(self._staying)

    def count_answers(self) -> int:
        """How many of the peers that stayed have an answer; closes them."""
        answered = 0
        for peer in self._staying:
            peer.setblocking(False)
            try:
                peer.recv(100)
                answered += 1
            except OSError:
                pass  # nothing came
            peer.close()
        return answered


async def serve(count: int, seconds: float) -> None:
    """Run the service until its peers are done with it, printing as the module says."""
    loop = asyncio.get_running_loop()
    service = EchoService()
    await loop.create_datagram_endpoint(lambda: service, local_addr=(LOOPBACK, 0))
    _print(
        event="start",
        python=platform.python_version(),
        loop=type(loop).__name__,
        plugin=_plugin_state(),
        departures=round(seconds * ALL_STAY, 2),
    )
    peers = Peers(service.transport.get_extra_info("sockname"), count, seconds)
    start = time.monotonic()
    peers.start()
    heard = quiet = 0
    while True:
        await asyncio.sleep(INTERVAL)
        if service.heard != heard:
            heard, quiet = service.heard, 0
        elif not peers.is_alive():
            # Samples, not seconds: a loop that had no turn has not listened either.
            quiet += 1
        _print(
            event="sample",
            t=round(time.monotonic() - start, 2),
            sent=peers.sent,
            heard=service.heard,
            errors=service.errors,
            last_heard=round(service.last_heard - start, 2),
        )
        # An answer to the last departed peers may still bring its error.
        if not peers.is_alive() and quiet >= (2 if service.heard >= peers.sent else QUIET_SAMPLES):
            break
    _print(
        event="end",
        sent=peers.sent,
        heard=service.heard,
        errors=service.errors,
        last_heard=round(service.last_heard - start, 2),
        stayed=peers.stayed,
        answered=peers.count_answers(),
    )
    service.transport.abort()


def _plugin_state() -> str:
    """ "on" when any repair is applied in this process, else "off"."""
    core = sys.modules.get("tribler_udp_fix._install")
    if core is not None and any(repair.state == "applied" for repair in core.status().repairs):
        return "on"
    return "off"


def _print(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def main() -> None:
    """The command line of the child process."""
    parser = argparse.ArgumentParser(prog="python -m tribler_udp_fix._trials._echo_service")
    parser.add_argument("--peers", type=int, default=120, help="datagrams to send")
    parser.add_argument("--seconds", type=float, default=4.0, help="time to send them in")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.peers, arguments.seconds))


if __name__ == "__main__":
    main()
