"""What is read of netlink's messages, and what is left when nobody listens any more."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("netlink is Linux's", allow_module_level=True)

from tribler_udp_fix._asyncio import _netlink
from tribler_udp_fix._watchdog._linux_notices import LinuxNotices

ADDED, DELETED = 20, 21
ADDRESS, LOCAL, LABEL = 1, 2, 3


class Nobody:
    def address_changed(self, host: str, there: bool) -> None: ...

    def interface_changed(self) -> None: ...

    def resumed(self) -> None: ...


def changes(data: bytes) -> list[tuple[str, bool]]:
    return [(one.host, one.there) for one in _netlink.changes(data)]


def message(kind: int, family: int, *attributes: tuple[int, bytes]) -> bytes:
    body = struct.pack("=BBBBI", family, 24, 0, 0, 1)
    for number, value in attributes:
        padding = bytes(-len(value) % 4)
        body += struct.pack("=HH", 4 + len(value), number) + value + padding
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_each_address_of_several_messages_is_told():
    mine, peer = socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2")
    six = socket.inet_pton(socket.AF_INET6, "fd00::1")
    data = message(ADDED, socket.AF_INET, (ADDRESS, peer), (LABEL, b"tun0\0"), (LOCAL, mine))
    data += message(16, socket.AF_INET, (LOCAL, mine))  # RTM_NEWLINK
    data += message(DELETED, socket.AF_INET6, (ADDRESS, six))
    assert (changes(data)) == [("10.0.0.1", True), ("fd00::1", False)]


def test_no_message_that_is_cut_or_mad_raises_or_goes_on_for_ever():
    whole = message(ADDED, socket.AF_INET, (LOCAL, socket.inet_aton("10.0.0.1")))
    for cut in range(len(whole)):
        assert (changes(whole[:cut])) == []
    assert (changes(bytes(64))) == []
    assert (changes(message(ADDED, 99, (LOCAL, b"1234")))) == []
    assert (changes(message(ADDED, socket.AF_INET, (LOCAL, b"12")))) == []


def test_a_watch_that_has_ended_leaves_no_socket_even_after_its_loop():
    before = os.listdir("/proc/self/fd")
    loop = asyncio.SelectorEventLoop()
    ended, late = (LinuxNotices(loop, Nobody()) for _ in range(2))
    ended.close()
    ended.close()
    loop.close()
    late.close()
    assert os.listdir("/proc/self/fd") == before


def test_a_loop_that_cannot_wait_for_a_socket_and_a_system_without_netlink_go_on(monkeypatch):
    def unable(*_):
        raise NotImplementedError

    def refuse(*_):
        raise PermissionError

    loop = asyncio.SelectorEventLoop()
    monkeypatch.setattr(loop, "add_reader", unable)
    before = os.listdir("/proc/self/fd")
    LinuxNotices(loop, Nobody()).close()
    monkeypatch.setattr(socket, "socket", refuse)
    LinuxNotices(loop, Nobody()).close()
    assert os.listdir("/proc/self/fd") == before
    loop.close()
