"""A socket for an endpoint, and another one like it, on Linux; tests/windows does so on Windows."""

from __future__ import annotations

import gc
import socket
import sys
from typing import Any, Iterator

import pytest

from tribler_udp_fix._asyncio._sockets import open_options
from tribler_udp_fix._ipv8._binding import bound_socket, socket_options

if sys.platform == "win32":
    pytest.skip("tests/windows/test_ipv8_binding.py is for Windows", allow_module_level=True)

RCVBUF = (socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
PRIORITY = (socket.SOL_SOCKET, socket.SO_PRIORITY, 6)  # Linux sets it with IP_TOS
CHANGED = [
    RCVBUF,
    (socket.SOL_SOCKET, socket.SO_SNDBUF, 50_000),
    (socket.SOL_SOCKET, socket.SO_BROADCAST, 1),
]
CHANGED_OF: dict[int, Any] = {
    socket.AF_INET: [
        *CHANGED,
        (socket.IPPROTO_IP, socket.IP_TTL, 9),
        (socket.IPPROTO_IP, socket.IP_TOS, 16),
        (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0),
        (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 3),
    ],
    socket.AF_INET6: [
        *CHANGED,
        (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1),
        (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 9),
        (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 3),
        (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0),
    ],
}
LOOPBACK: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def sockets() -> int:
    gc.collect()
    return sum(isinstance(o, socket.socket) and o.fileno() != -1 for o in gc.get_objects())


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = sockets()
    yield
    assert sockets() == before


@pytest.mark.parametrize("family", LOOPBACK, ids=["ipv4", "ipv6"])
def test_every_option_of_a_socket_is_set_again_on_its_successor(family: int) -> None:
    with bound_socket(family, LOOPBACK[family], 0, CHANGED_OF[family]) as first:
        options = open_options(first)
        assert set(options) - {PRIORITY} == set(CHANGED_OF[family])
        with bound_socket(family, LOOPBACK[family], 0, options) as second:
            assert open_options(second) == options
            assert second.gettimeout() == 0


def test_a_socket_as_it_comes_has_no_options_to_set_again() -> None:
    with bound_socket(socket.AF_INET, "127.0.0.1", 0, ()) as sock:
        assert open_options(sock) == []


def test_the_options_of_a_closed_socket_are_an_error_and_not_none() -> None:
    sock = bound_socket(socket.AF_INET, "127.0.0.1", 0, [RCVBUF])
    sock.close()
    with pytest.raises(OSError):
        open_options(sock)


def test_a_successor_takes_the_very_port() -> None:
    with bound_socket(socket.AF_INET, "127.0.0.1", 0, ()) as sock:
        host, port = sock.getsockname()
    with bound_socket(socket.AF_INET, host, port, ()) as sock:
        assert sock.getsockname() == (host, port)


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_whatever_fails_no_socket_is_left() -> None:
    with pytest.raises(OSError):
        bound_socket(socket.AF_INET, "127.0.0.1", 0, [RCVBUF, (socket.SOL_SOCKET, 9999, 1)])
    with pytest.raises(OSError):
        bound_socket(socket.AF_INET, "203.0.113.9", 0, ())
    with pytest.raises(socket.gaierror):
        bound_socket(socket.AF_INET, "no address..", 0, ())
    with pytest.raises(OverflowError):
        bound_socket(socket.AF_INET, "127.0.0.1", 65_536, ())
    with bound_socket(socket.AF_INET, "127.0.0.1", 0, ()) as sock, pytest.raises(OSError):
        bound_socket(socket.AF_INET, "127.0.0.1", sock.getsockname()[1], ())


def test_an_endpoint_says_its_options_and_an_older_one_has_those_that_ipv8_always_set() -> None:
    udp = pytest.importorskip("ipv8.messaging.interfaces.udp.endpoint")
    receive_buffer = (socket.SOL_SOCKET, socket.SO_RCVBUF, 870_400)
    assert socket_options(object()) == [receive_buffer]
    assert socket_options(udp.UDPEndpoint()) == [receive_buffer]
    v6only = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    assert socket_options(udp.UDPv6Endpoint()) == [receive_buffer, v6only]
    assert socket_options(udp.UDPEndpoint(sockopts=[])) == []
