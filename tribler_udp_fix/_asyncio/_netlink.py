"""What Linux says of the machine's addresses: asked, and as they come and go.

Numbers and layouts are those of rtnetlink(7) and netlink(7).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from typing import Iterator, NamedTuple

_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_MESSAGE = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_ADDED, _DELETED, _GET = 20, 21, 22  # RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_DUMP = 0x1 | 0x300  # NLM_F_REQUEST, NLM_F_DUMP
# Of a point-to-point interface IFA_ADDRESS is the other end's; IPv6 has IFA_LOCAL there alone.
_ADDRESS, _LOCAL = 1, 2
_LINK = 253  # RT_SCOPE_LINK
_DAD_FAILED, _DEPRECATED, _TENTATIVE = 0x08, 0x20, 0x40  # IFA_F_…
_SIZE = 65_536  # bytes that one read may return
_PATIENCE = 1.0  # seconds; the kernel answers at once


class Address(NamedTuple):
    """One address of an interface.

    ``interface`` is that one's index. ``there`` says whether the address has come, or gone;
    ``usable`` whether a socket of a program's should be bound to it: IPv6 ones are not while they
    are tried out, nor those of the link alone; ``preferred`` whether new sockets should.
    """

    host: str
    family: int
    interface: int
    there: bool
    usable: bool
    preferred: bool


def addresses() -> list[Address]:
    """Every address that the machine has; raises OSError where netlink is not allowed."""
    found: list[Address] = []
    with _socket() as sock:
        sock.settimeout(_PATIENCE)
        question = _MESSAGE.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        length = _HEADER.size + len(question)
        sock.send(_HEADER.pack(length, _GET, _DUMP, 1, 0) + question)
        while True:
            data = sock.recv(_SIZE)
            found += changes(data)
            for kind, message in _messages(data):
                if kind == _ERROR:
                    number = -struct.unpack_from("=i", message)[0]
                    raise OSError(number, os.strerror(number))
                if kind == _DONE:
                    return found


def listening_socket() -> socket.socket | None:
    """A non-blocking socket that hears of changes, to be read by ``changes()``; None where none."""
    try:
        sock = _socket()
    except OSError:  # Android and some sandboxes refuse it
        return None
    try:
        sock.setblocking(False)
        sock.bind((0, _GROUPS))
    except OSError:
        sock.close()
        return None
    return sock


def read(sock: socket.socket) -> list[Address] | None:
    """What the *sock* has heard of next; None for nothing more."""
    try:
        data, sender = sock.recvfrom(_SIZE)
    except OSError:  # nothing more, or ENOBUFS: there was more than the kernel could keep
        return None
    return list(changes(data)) if sender[0] == 0 else []  # the kernel, and not another program


def changes(data: bytes) -> Iterator[Address]:
    """The addresses that these netlink messages tell of."""
    for kind, message in _messages(data):
        if kind not in (_ADDED, _DELETED) or len(message) < _MESSAGE.size:
            continue
        family, _, flags, scope, interface = _MESSAGE.unpack_from(message)
        attributes = dict(_attributes(message[_MESSAGE.size :]))
        packed = attributes.get(_LOCAL, attributes.get(_ADDRESS, b""))
        usable = not flags & (_TENTATIVE | _DAD_FAILED)
        if family == socket.AF_INET6:
            usable = usable and scope != _LINK
        with contextlib.suppress(OSError, ValueError):  # of a family that is neither
            host = socket.inet_ntop(family, packed)
            yield Address(host, family, interface, kind == _ADDED, usable, not flags & _DEPRECATED)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        yield kind, data[_HEADER.size : length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _socket() -> socket.socket:
    if sys.platform != "linux":
        raise OSError("netlink is Linux'")
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
