"""A socket for an endpoint, and another one like it, on Windows."""

from __future__ import annotations

import errno
import socket
import warnings
from typing import Any

import pytest
from udp import LOOPBACK

from tribler_udp_fix import status
from tribler_udp_fix._asyncio._sockets import open_options
from tribler_udp_fix._ipv8._binding import bound_socket

CHANGED: dict[int, Any] = {
    socket.AF_INET: [
        (socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000),
        (socket.SOL_SOCKET, socket.SO_BROADCAST, 1),
        (socket.IPPROTO_IP, socket.IP_TTL, 9),
        (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 3),
    ],
    socket.AF_INET6: [
        (socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000),
        (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 9),
        (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 3),
    ],
}


def test_every_option_of_a_socket_is_set_again_on_its_successor(family):
    with bound_socket(family, LOOPBACK[family], 0, CHANGED[family]) as first:
        options = open_options(first)
        exclusive = (socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        assert sorted(options) == sorted([*CHANGED[family], exclusive])
        with bound_socket(family, LOOPBACK[family], 0, options) as second:
            assert open_options(second) == options


def test_the_address_is_the_sockets_alone():
    with bound_socket(socket.AF_INET, "127.0.0.1", 0, ()) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError) as refused:
                thief.bind(sock.getsockname())
        assert refused.value.winerror in (10013, 10048)  # type: ignore[attr-defined,unused-ignore]


def test_options_that_ask_to_share_the_address_are_obeyed():
    shared = [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)]
    with bound_socket(socket.AF_INET, "127.0.0.1", 0, shared) as first:
        assert not first.getsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE)
        host, port = first.getsockname()
        with bound_socket(socket.AF_INET, host, port, open_options(first)):
            pass


def test_icmp_errors_are_switched_off_and_the_outcome_is_counted():
    def outcomes() -> int:
        counters = status().counters
        return sum(count for name, count in counters.items() if name.startswith("SIO_UDP_"))

    before = outcomes()
    with bound_socket(socket.AF_INET, "127.0.0.1", 0, ()):
        assert outcomes() == before + 2


def test_whatever_fails_no_socket_is_left():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(OSError):
            bound_socket(socket.AF_INET6, "2001:db8::9", 0, ())
        with pytest.raises(OverflowError):
            bound_socket(socket.AF_INET, "127.0.0.1", 65_536, ())
        with bound_socket(socket.AF_INET, "127.0.0.1", 0, ()) as sock:
            host, port = sock.getsockname()
            with pytest.raises(OSError) as taken:
                bound_socket(socket.AF_INET, host, port, ())
            assert taken.value.errno in (errno.EADDRINUSE, errno.EACCES)
