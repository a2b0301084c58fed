"""Runs in a Windows Python on host A: how receives fail when a datagram cannot be delivered.

Its argument is a JSON array: an object of name to [destination, hops it may take]; and the
[address, port] of an echo service on host B, over IPv4 and over IPv6. It prints a JSON object: name
to [Win32 number of the waiting receive, Winsock number of the one posted later, whether a third
receive heard the echo]; and "IPv4", "IPv6" to [error, size] of the receive that waits while a
datagram too large for the path, and then a small one, is sent to the echo service.
"""

from __future__ import annotations

import _overlapped
import json
import socket
import sys
import time
from typing import Any

IP_TTL = IPV6_UNICAST_HOPS = 4
IP_DONTFRAGMENT = 14


class Sender:
    """A socket that sends to a destination which cannot be reached."""

    def __init__(self, port: Any, key: int, destination: str, hops: int) -> None:
        self.family = socket.AF_INET6 if ":" in destination else socket.AF_INET
        self.destination = destination
        self.sock = socket.socket(self.family, socket.SOCK_DGRAM)
        self.sock.bind(("::" if self.family == socket.AF_INET6 else "0.0.0.0", 0))
        self.limit(hops)
        _overlapped.CreateIoCompletionPort(self.sock.fileno(), port, key, 0)

    def limit(self, hops: int) -> None:
        if self.family == socket.AF_INET6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops)
        else:
            self.sock.setsockopt(socket.IPPROTO_IP, IP_TTL, hops)

    def post(self) -> int:
        """Post a receive: 0, or the number with which it fails at once."""
        self.overlapped = _overlapped.Overlapped(0)
        try:
            self.overlapped.WSARecvFrom(self.sock.fileno(), 2000, 0)
        except OSError as error:
            number: int = getattr(error, "winerror")  # noqa: B009 - typed on Windows alone
            return number
        return 0


def main(cases: dict[str, Any], echo4: tuple[str, int], echo6: tuple[str, int]) -> dict[str, Any]:
    port = _overlapped.CreateIoCompletionPort(_overlapped.INVALID_HANDLE_VALUE, 0, 0, 1)
    senders = {key: Sender(port, key, *case) for key, case in enumerate(cases.values())}

    def completions() -> dict[int, int]:
        """The error of each sender's waiting receive."""
        errors: dict[int, int] = {}
        while len(errors) < len(senders):
            result = _overlapped.GetQueuedCompletionStatus(port, 10000)
            if result is None:
                break
            errors[result[2]] = result[0]
        return errors

    for sender in senders.values():
        sender.post()
        # Both at once: a router that looks for the host takes as long again for the next one.
        sender.sock.sendto(b"?", (sender.destination, 9))
        sender.sock.sendto(b"?", (sender.destination, 9))
    waiting = completions()
    time.sleep(0.1)
    later = {key: sender.post() for key, sender in senders.items()}
    for sender in senders.values():
        sender.post()
        sender.limit(64)
        echo = echo6 if sender.family == socket.AF_INET6 else echo4
        sender.sock.sendto(b"hello", tuple(echo))
    heard = completions()
    found: dict[str, Any] = {
        name: [waiting.get(key), later[key], heard.get(key) == 0] for key, name in enumerate(cases)
    }
    return {**found, "IPv4": too_large(port, echo4), "IPv6": too_large(port, echo6)}


def too_large(port: Any, echo: tuple[str, int]) -> Any:
    sender = Sender(port, 0, echo[0], 64)
    if sender.family == socket.AF_INET:
        sender.sock.setsockopt(socket.IPPROTO_IP, IP_DONTFRAGMENT, 1)
    sender.post()
    sender.sock.sendto(bytes(1400), tuple(echo))
    time.sleep(0.1)
    sender.sock.sendto(b"hello", tuple(echo))
    result = _overlapped.GetQueuedCompletionStatus(port, 10000)
    return result and result[:2]


if __name__ == "__main__":
    print(json.dumps(main(*json.loads(sys.argv[1]))))
