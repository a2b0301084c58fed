"""Receive errors of UDP sockets as Windows reports them.

What ICMP causes is asserted on Windows itself and in the lab alike: so a run on Windows shows that
the lab's shim tells the truth.
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys
import threading
import time
from typing import Any, Iterator

import pytest
from receives import (
    SETTLE,
    error_at_once,
    is_connected,
    nothing_to_receive,
    number,
    received,
)
from udp import LOOPBACK, closed_address, needs_lab, plain_socket, send

ERROR_PORT_UNREACHABLE = 1234
WSAECONNRESET = 10054
WSAEMSGSIZE = 10040


@pytest.fixture
def closed(family: int) -> Any:
    """An address that nobody listens on."""
    return closed_address(family)


@pytest.fixture(params=["unconnected", "connected"])
def sender(request: pytest.FixtureRequest, family: int, closed: Any) -> Iterator[socket.socket]:
    """A socket that may send to the closed address, connected to it or not."""
    with plain_socket(family) as sock:
        if request.param == "connected":
            sock.connect(closed)
        yield sock


@pytest.fixture
def receiver(family: int) -> Iterator[socket.socket]:
    """A socket that sends nothing."""
    with plain_socket(family) as sock:
        yield sock


@pytest.fixture(params=["Proactor", "Selector"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A stock event loop of each kind."""
    made = getattr(asyncio, request.param + "EventLoop")()
    yield made
    made.close()


def provoke(sock: socket.socket, closed: Any, errors: int = 1) -> None:
    """Send to the closed address, and wait until the answers have arrived."""
    for _ in range(errors):
        if is_connected(sock):
            sock.send(b"?")
        else:
            sock.sendto(b"?", closed)
    time.sleep(SETTLE)


def test_a_waiting_receive_completes_with_port_unreachable(sender, closed, port):
    port.post(sender)
    provoke(sender, closed)
    assert port.completion() == (ERROR_PORT_UNREACHABLE, 0)


def test_a_receive_posted_after_the_error_fails_at_once_with_connection_reset(sender, closed, port):
    provoke(sender, closed)
    assert error_at_once(port, sender) == WSAECONNRESET
    assert port.nothing_completes()


def test_each_error_fails_one_receive_and_the_next_datagram_is_received(sender, closed, port):
    port.post(sender)
    provoke(sender, closed, errors=4)
    assert port.completion() == (ERROR_PORT_UNREACHABLE, 0)
    assert [error_at_once(port, sender) for _ in range(3)] == [WSAECONNRESET] * 3
    port.post(sender)
    assert port.nothing_completes()
    with socket.socket(sender.family, socket.SOCK_DGRAM) as answering:
        answering.bind(closed)
        answering.sendto(b"hello", sender.getsockname())
    assert port.completion() == (0, 5)


def test_a_send_succeeds_whatever_became_of_those_before(sender, closed):
    provoke(sender, closed, errors=20)


def test_a_send_to_somebody_else_leaves_the_error_to_the_receive(family, closed, receiver, port):
    with plain_socket(family) as sock:
        provoke(sock, closed)
        sock.sendto(b"hello", receiver.getsockname())
        assert received(receiver) == b"hello"
        assert error_at_once(port, sock) == WSAECONNRESET


def test_errors_that_arrive_while_another_thread_receives_fail_one_receive_each(family, closed):
    failed: list[OSError] = []

    def receive() -> None:
        while len(failed) < 300:
            try:
                sock.recv(2000)
            except OSError as error:
                failed.append(error)

    with plain_socket(family) as sock:
        sock.settimeout(10)
        thread = threading.Thread(target=receive)
        thread.start()
        provoke(sock, closed, errors=300)
        thread.join()
        assert {number(error) for error in failed} == {WSAECONNRESET}
        assert nothing_to_receive(sock)


def test_a_socket_that_sent_nothing_receives_no_error(sender, receiver, closed, port):
    port.post(receiver)
    provoke(sender, closed, errors=3)
    assert port.nothing_completes()


def test_a_socket_that_sent_to_a_listener_receives_no_error(sender, receiver, closed, port, family):
    provoke(sender, closed)
    with plain_socket(family) as other:
        other.sendto(b"hello", receiver.getsockname())
        assert nothing_to_receive(other)
    assert received(receiver) == b"hello"


def test_a_blocking_receive_fails_once_for_each_error(sender, closed):
    provoke(sender, closed, errors=2)
    for _ in range(2):
        with pytest.raises(ConnectionResetError) as caught:
            received(sender)
        assert number(caught.value) == WSAECONNRESET
    assert nothing_to_receive(sender)


def test_select_announces_an_error_as_something_to_read(sender, closed):
    assert select.select([sender], [], [], 0) == ([], [], [])
    provoke(sender, closed)
    assert select.select([sender], [], [], 2) == ([sender], [], [])
    with pytest.raises(ConnectionResetError):
        received(sender)
    assert select.select([sender], [], [], 0) == ([], [], [])


def test_an_event_loops_waiting_receive_fails(family, sender, closed, loop):
    async def main() -> OSError:
        receiving = asyncio.ensure_future(loop.sock_recv(sender, 2000))
        await asyncio.sleep(SETTLE)
        provoke(sender, closed)
        with pytest.raises(OSError) as caught:
            await asyncio.wait_for(receiving, 2)
        return caught.value

    sender.setblocking(False)
    expected = ERROR_PORT_UNREACHABLE if is_proactor(loop) else WSAECONNRESET
    assert number(loop.run_until_complete(main())) == expected


def test_an_event_loops_receive_after_the_error_fails(family, sender, closed, loop):
    sender.setblocking(False)
    provoke(sender, closed)
    with pytest.raises(ConnectionResetError) as caught:
        loop.run_until_complete(asyncio.wait_for(loop.sock_recv(sender, 2000), 2))
    assert number(caught.value) == WSAECONNRESET


def is_proactor(loop: Any) -> bool:
    return hasattr(loop, "_proactor")


def test_a_selector_endpoint_hears_of_each_error_and_of_datagrams_after(family, closed):
    class Protocol(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.calls: list[Any] = []

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.calls.append(data)

        def error_received(self, exc: Exception) -> None:
            self.calls.append(type(exc))

    async def main() -> list[Any]:
        transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
            Protocol, local_addr=(LOOPBACK[family], 0)
        )
        for _ in range(3):
            transport.sendto(b"?", closed)
            await asyncio.sleep(SETTLE)
        send(transport.get_extra_info("sockname"), b"hello")
        await asyncio.sleep(5 * SETTLE)
        transport.close()
        return protocol.calls

    assert sys.platform == "win32"
    selector = asyncio.SelectorEventLoop()
    try:
        calls = selector.run_until_complete(main())
    finally:
        selector.close()
    assert calls == [ConnectionResetError] * 3 + [b"hello"]


def test_a_refused_tcp_connection_stays_a_refused_connection(family, closed):
    with plain_socket(family) as sock:
        provoke(sock, closed)
        with pytest.raises(ConnectionResetError):
            received(sock)
    with socket.socket(family, socket.SOCK_STREAM) as stream:
        with pytest.raises(ConnectionRefusedError) as caught:
            stream.connect(closed)
        assert number(caught.value) == 10061


@pytest.mark.parametrize("host", ["203.0.113.7", "2001:db8::7"])  # for documentation only
def test_a_socket_is_not_bound_to_an_address_of_another_machine(host):
    with socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
    ) as sock:
        for _ in range(2):
            with pytest.raises(OSError, match="10049"):
                sock.bind((host, 0))
        sock.bind(("", 0))
        assert sock.getsockname()[1] > 0


def test_an_ipv6_socket_receives_the_errors_of_ipv4_peers(port):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        port.post(sock)
        provoke(sock, ("::ffff:127.0.0.1", closed_address()[1]), errors=2)
        assert port.completion() == (ERROR_PORT_UNREACHABLE, 0)
        assert error_at_once(port, sock) == WSAECONNRESET


def test_a_datagram_that_is_too_big_fails_its_send_and_no_receive(family, receiver):
    with plain_socket(family) as sock:
        for size in (65536, 65530):
            with pytest.raises(OSError) as caught:
                sock.sendto(bytes(size), receiver.getsockname())
            assert number(caught.value) == WSAEMSGSIZE
        assert nothing_to_receive(sock)


def test_a_datagram_larger_than_the_buffer_fails_its_receive_and_not_the_next(receiver):
    send(receiver.getsockname(), b"x" * 30, b"hello")
    with pytest.raises(OSError) as caught:
        receiver.recv(10)
    assert number(caught.value) == WSAEMSGSIZE
    assert received(receiver) == b"hello"


@needs_lab
def test_unread_errors_by_the_thousand_cost_no_datagram(family, closed):
    # IPv6 is slow in the lab, and Linux has no room for more than 300 of its own accord.
    errors, datagrams = (10000, 1000) if family == socket.AF_INET else (1000, 100)
    with plain_socket(family) as sock, plain_socket(family) as peer:
        for index in range(datagrams):
            for _ in range(errors // datagrams):
                sock.sendto(b"?", closed)
            peer.sendto(b"%d" % index, sock.getsockname())
        sock.settimeout(1)
        failed = 0
        heard: list[bytes] = []
        while len(heard) < datagrams:
            try:
                heard.append(sock.recv(100))
            except ConnectionResetError:
                failed += 1
        assert failed == errors
        assert heard == [b"%d" % index for index in range(datagrams)]
        assert nothing_to_receive(sock)


@needs_lab
def test_a_program_sees_the_receive_buffer_size_that_it_asked_for(family):
    with plain_socket(family) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < 1 << 20
        for size in (1 << 16, 870400, 4 << 20):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == size
