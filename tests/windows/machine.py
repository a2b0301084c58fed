"""The network of the machine that a test runs on, which is a namespace: changed, and listened to.

Windows Pythons in the lab cannot do either: they ask this same script, which Linux runs beside
them, at the port in the variable MACHINE.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import Any

PORT = int(os.environ.get("MACHINE", "0"))


def ip(*commands: str, check: bool = True) -> None:
    """Change the machine's network, as ``ip(8)`` does; without *check* it may fail."""
    if PORT:
        _ask("ip", list(commands), check)
        return
    for command in commands:
        subprocess.run(
            ["ip", *command.split()],
            check=check,
            stderr=None if check else subprocess.DEVNULL,
        )


class Sniffer:
    """Counts the UDP datagrams that leave by an interface, or come back by it."""

    def __init__(self, interface: str) -> None:
        self._interface = interface
        if PORT:
            _ask("sniff", interface)
            return
        self._socket: Any = socket.socket(17, socket.SOCK_RAW, socket.htons(3))  # AF_PACKET
        self._socket.bind((interface, 0))
        self._socket.setblocking(False)

    def datagrams(self) -> int:
        """How many there were since the last call."""
        if PORT:
            return int(_ask("datagrams", self._interface))
        count = 0
        while True:
            try:
                frame = self._socket.recv(2048)
            except BlockingIOError:
                return count
            ipv4_udp = frame[12:14] == b"\x08\x00" and frame[23] == 17
            ipv6_udp = frame[12:14] == b"\x86\xdd" and frame[20] == 17
            count += ipv4_udp or ipv6_udp


def _ask(*question: Any) -> Any:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(("127.0.0.1", PORT))
        sock.send(json.dumps(question).encode())
        done, answer = json.loads(sock.recv(65_536))
    assert done, answer
    return answer


def serve() -> None:
    """Do for others what they ask for; prints the port, and runs until it is killed."""
    sniffers: dict[str, Sniffer] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        while True:
            data, address = sock.recvfrom(65_536)
            what, *arguments = json.loads(data)
            try:
                answer: Any = None
                if what == "ip":
                    ip(*arguments[0], check=arguments[1])
                elif what == "sniff":
                    sniffers[arguments[0]] = Sniffer(arguments[0])
                else:
                    answer = sniffers[arguments[0]].datagrams()
                sock.sendto(json.dumps([True, answer]).encode(), address)
            except Exception as exc:  # whoever asked is to fail
                sock.sendto(json.dumps([False, repr(exc)]).encode(), address)


if __name__ == "__main__":
    serve()
