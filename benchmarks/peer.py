"""The other end of a measurement: a plain socket in a process of its own, of this machine's Python.

It takes one command a line on stdin, as JSON, and answers with one line on stdout. It never is what
limits: a round trip costs it a few microseconds.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import Any

STOP = b"stop"
PATIENCE = 0.25  # seconds without an answer after which a datagram counts as lost
ROOM = 64 << 20  # bytes; the sink must lose nothing


def echo(port: int, size: int, in_flight: int, seconds: float) -> dict[str, Any]:
    """Keep *in_flight* datagrams on their way to an echo service and back."""
    sock = _socket()
    sock.connect(("127.0.0.1", port))
    sock.settimeout(PATIENCE)
    data = bytes(size)
    clock = time.perf_counter
    sent: list[float] = []
    answers: list[float] = []  # seconds that each took; with one in flight, in order, exactly so
    lost = 0
    began = clock()
    until = began + seconds
    for _ in range(in_flight):
        sent.append(clock())
        sock.send(data)
    while clock() < until:
        try:
            sock.recv(2048)
        except socket.timeout:
            lost += 1
        else:
            answers.append(clock() - sent[len(answers) + lost])
        sent.append(clock())
        sock.send(data)
    took = clock() - began
    for _ in range(in_flight):
        try:
            sock.recv(2048)
        except socket.timeout:
            break
    sock.send(STOP)
    answers.sort()
    return {
        "rate": len(answers) / took,
        "count": len(answers),
        "lost": lost,
        "median": answers[len(answers) // 2],
        "p99": answers[len(answers) * 99 // 100],
    }


def flood(port: int, size: int, datagrams: int) -> dict[str, Any]:
    """Send so many datagrams, and STOP."""
    sock = _socket()
    sock.connect(("127.0.0.1", port))
    data = bytes(size)
    for _ in range(datagrams):
        sock.send(data)
    sock.send(STOP)
    return {}


def flood_all(ports: list[int], seconds: float) -> dict[str, Any]:
    """Send to each of the *ports* in turn, as fast as that goes, for some seconds."""
    sock = _socket()
    until = time.perf_counter() + seconds
    sent = 0
    while time.perf_counter() < until:
        for port in ports:
            sock.sendto(b"flood", ("127.0.0.1", port))
        sent += len(ports)
    return {"sent": sent}


def sink(datagrams: int) -> dict[str, Any]:
    """Tell a port, receive so many datagrams there, and answer STOP to the last."""
    sock = _socket()
    sock.bind(("127.0.0.1", 0))
    answer(port=sock.getsockname()[1])
    _, sender = sock.recvfrom(2048)
    first = last = time.perf_counter()
    count = 1
    sock.settimeout(2)
    while count < datagrams:
        try:
            sock.recv(2048)
        except socket.timeout:
            break
        count += 1
        last = time.perf_counter()
    sock.sendto(STOP, sender)
    return {"rate": (count - 1) / (last - first), "count": count, "lost": datagrams - count}


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    force = getattr(socket, "SO_RCVBUFFORCE", 33)
    sock.setsockopt(socket.SOL_SOCKET, force, ROOM)
    return sock


def answer(**values: Any) -> None:
    """Print one line."""
    print(json.dumps(values), flush=True)


COMMANDS: dict[str, Any] = {"echo": echo, "flood": flood, "flood_all": flood_all, "sink": sink}


def main() -> None:
    """Do what each line says."""
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        answer(**COMMANDS[command.pop("do")](**command))


if __name__ == "__main__":
    main()
