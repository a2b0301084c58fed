"""What waits while a transport has no socket; on Linux, too."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from udp import endpoint, full_socket

import tribler_udp_fix
from tribler_udp_fix import Settings
from tribler_udp_fix._asyncio._ports import PortChange
from tribler_udp_fix._asyncio._rebinding import Rebinder
from tribler_udp_fix._asyncio._sockets import new_socket


def test_what_a_full_socket_had_kept_for_long_has_not_waited_for_a_socket():
    async def main():
        loop: Any = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            sender = await endpoint(sock=full_socket())
            loop._add_writer = lambda *_: None  # it stays full
            for data in (b"1", b"2", b"3"):
                sender.transport.sendto(data, peer.getsockname())
            await asyncio.sleep(0.3)
            del loop._add_writer
            settings = Settings(gap_queue_age=0.1)
            never = PortChange(float("inf"))
            rebound = await Rebinder(sender.transport, settings, never, new_socket).rebind()
            assert (rebound.queued, rebound.lost, sender.transport.lost) == (3, 0, 0)
            peer.settimeout(5)
            assert [peer.recv(9) for _ in range(3)] == [b"1", b"2", b"3"]
            sender.transport.close()
            await asyncio.sleep(0)

    tribler_udp_fix.install()
    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()
        tribler_udp_fix.uninstall()
