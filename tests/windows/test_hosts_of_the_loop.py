"""Programs that drive an event loop in a way of their own, and what they hear with the plugin."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from child import python
from udp import IN_LAB, closed_address, only_on, plain_socket

HOSTS = Path(__file__).with_name("hosts.py")


def needs(*packages: str):
    """Marks for what is shown on one Python of the lab, and on Windows where the *packages* are."""
    there = all(importlib.util.find_spec(name) is not None for name in packages)
    missing = pytest.mark.skipif(not IN_LAB and not there, reason=f"{packages} are not here")
    return lambda test: only_on("3.12")(missing(test))


def program(name: str):
    """What one of hosts.py's programs saw with the plugin on."""
    return json.loads(python(str(HOSTS), name, plugin=True, timeout=60))


@needs("qasync", "PyQt5")
def test_a_proactor_that_another_thread_polls_is_driven_through_its_own_methods():
    # It hung in 11 of 12 runs at loop.close(), and rearm() ended the process.
    assert program("qt-traffic") == {"in_order": True, "errors": 30, "left": 0}


@needs("qasync", "PyQt5", "nest_asyncio")
@pytest.mark.parametrize("name", ["qt-dialog", "nested-proactor", "nested-selector"])
def test_what_comes_while_a_handler_runs_the_loop_is_heard(name):
    calls = [["heard", "first"], ["heard", "second"], ["returned", ""]]
    assert program(name) == {"calls": calls}


@needs("socks")
def test_sockets_from_before_are_known_when_a_program_replaces_the_class(run, monkeypatch):
    import asyncio

    import socks

    sock, sock6, peer = plain_socket(), plain_socket(socket.AF_INET6), plain_socket()
    gone = closed_address()

    async def main():
        monkeypatch.setattr(socket, "socket", socks.socksocket)
        loop: Any = asyncio.get_running_loop()
        sock.setblocking(False)
        sock.sendto(b"?", gone)
        waiting = asyncio.ensure_future(loop.sock_recvfrom(sock, 100))
        await asyncio.sleep(0.05)
        assert not waiting.done()  # F9
        peer.sendto(b"heard", sock.getsockname())
        assert (await asyncio.wait_for(waiting, 5))[0] == b"heard"
        sock6.setblocking(False)
        await loop.sock_sendto(sock6, b"to a pair", sock6.getsockname()[:2])  # F10
        assert (await asyncio.wait_for(loop.sock_recvfrom(sock6, 100), 5))[0] == b"to a pair"

    with sock, sock6, peer:
        run(main)
