"""A datagram transport that reads on, whatever a receive fails of."""

from __future__ import annotations

import asyncio
import socket
import time
import tracemalloc

import pytest
from udp import (
    Recorder,
    closed_address,
    endpoint,
    error_budget,
    fail_receive,
    hears,
    needs_lab,
    pauses_of,
    plain_socket,
    send,
    until,
)

import tribler_udp_fix
from tribler_udp_fix._asyncio._counters import Counters

# NTSTATUS (see the lab's README): the Winsock number under which the protocol must hear of it.
# Those that begin with C007 carry a Windows number as it is, at once and from a completion.
TRANSIENT = {
    0xC000023C: 10051,  # STATUS_NETWORK_UNREACHABLE: 1231 or 10051
    0xC000023D: 10065,  # STATUS_HOST_UNREACHABLE: 1232 or 10065
    0xC000023E: 10051,  # STATUS_PROTOCOL_UNREACHABLE: 1233 or 10051
    0xC000023F: 10054,  # STATUS_PORT_UNREACHABLE: 1234 or 10054
    0xC0000236: 10061,  # STATUS_CONNECTION_REFUSED: 1225 or 10061
    0xC0000240: 10004,  # STATUS_REQUEST_ABORTED: 1235 or 10004
    0xC0000241: 10053,  # STATUS_CONNECTION_ABORTED: 1236 or 10053
    0xC00000B5: 10060,  # STATUS_IO_TIMEOUT: 121 or 10060
    0xC000020D: 10054,  # STATUS_CONNECTION_RESET: 64 or 10054
    0xC00000BF: 10050,  # STATUS_NETWORK_BUSY: 54 or 10050
    0xC000009A: 10055,  # STATUS_INSUFFICIENT_RESOURCES: 1450 or 10055
    0xC0072742: 10050,
    0xC0072744: 10052,
    0xC0072747: 10055,
}
ONE_TRANSIENT_ERROR = [
    pytest.param(status, waiting, id=f"{status:X}-{'waiting' if waiting else 'posted-later'}")
    for status in TRANSIENT
    for waiting in (True, False)
    # After WSAEINTR, the Winsock number of this one, recvfrom() itself starts again (PEP 475).
    if waiting or status != 0xC0000240
]
DEAD = {
    0xC0000008: 10038,  # STATUS_INVALID_HANDLE: 6 or 10038
    0xC00000B0: 10058,  # STATUS_PIPE_DISCONNECTED: 233 or 10058
    0xC0072719: 10009,
    0xC0072736: 10038,
}


def test_each_of_several_errors_is_reported_once_and_the_next_datagram_is_heard(run_both, family):
    async def main():
        protocol = await endpoint(family)
        for _ in range(5):
            protocol.transport.sendto(b"?", closed_address(family))
        await until(lambda: len(protocol.errors) == 5)
        await hears(protocol, b"one", b"two")
        protocol.transport.close()
        return protocol

    protocol = run_both(main)
    assert protocol.heard == [b"one", b"two"]
    assert [exc.winerror for exc in protocol.errors] == [10054] * 5
    assert all(isinstance(exc, ConnectionResetError) for exc in protocol.errors)


def test_errors_that_arrive_while_the_loop_is_busy_cost_no_datagram(run_both, family):
    async def main():
        protocol = await endpoint(family)
        await hears(protocol, b"first")
        for _ in range(3):
            protocol.transport.sendto(b"?", closed_address(family))
        time.sleep(0.1)  # a busy loop: nothing is received meanwhile
        await hears(protocol, b"a", b"b", b"c")
        await until(lambda: len(protocol.errors) == 3)
        protocol.transport.close()
        return protocol

    assert run_both(main).heard == [b"first", b"a", b"b", b"c"]


def test_a_connected_endpoint_hears_its_peer_come_back(run_both, family):
    async def main():
        peer = plain_socket(family)
        address = peer.getsockname()
        protocol = await endpoint(remote_addr=address[:2])
        peer.close()
        for _ in range(3):
            protocol.transport.sendto(b"?")
            await asyncio.sleep(0.02)
        await until(lambda: len(protocol.errors) >= 1)
        with socket.socket(family, socket.SOCK_DGRAM) as peer:
            peer.bind(address)
            peer.sendto(b"back", protocol.address)
            await until(lambda: protocol.heard == [b"back"])
        protocol.transport.close()
        return protocol

    assert {exc.winerror for exc in run_both(main).errors} == {10054}


def test_errors_that_fail_a_receive_at_once_leak_no_memory(run):
    async def main():
        protocol = await endpoint()
        gone = closed_address()

        async def burst(number):
            expected = len(protocol.errors) + number
            for _ in range(number):
                protocol.transport.sendto(b"?", gone)
            await until(lambda: len(protocol.errors) == expected)

        await burst(10)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(30):
                await burst(10)
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        protocol.transport.close()
        return grown

    # _overlapped keeps the buffer of each WSARecvFrom() that fails at once.
    assert run(main) < 512 * 1024


def test_a_socket_that_was_connected_before_is_repaired_too(run_both, family):
    async def main():
        with plain_socket(family) as peer:
            sock = plain_socket(family)
            sock.setblocking(False)
            sock.connect(peer.getsockname())
            protocol = await endpoint(sock=sock)
            for data in (b"one", b"two"):
                protocol.transport.sendto(data)
            await asyncio.sleep(0.1)
            peer.settimeout(5)
            assert [peer.recvfrom(100)[0] for _ in range(2)] == [b"one", b"two"]
            peer.sendto(b"answer", protocol.address)
            await until(lambda: protocol.heard == [b"answer"])
        protocol.transport.close()

    run_both(main)


def test_a_socket_that_is_passed_in_is_repaired_too(run, family):
    async def main():
        sock = plain_socket(family)
        sock.setblocking(False)
        protocol = await endpoint(sock=sock)
        protocol.transport.sendto(b"?", closed_address(family))
        await until(lambda: protocol.errors)
        await hears(protocol, b"heard")
        protocol.transport.close()

    run(main)


@needs_lab
@pytest.mark.parametrize(("status", "waiting"), ONE_TRANSIENT_ERROR)
def test_every_transient_error_is_reported_under_its_winsock_number(run, status, waiting):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        if waiting:
            fail_receive(protocol.address, status)
        else:
            send(protocol.address, b"keeps the loop busy")
            fail_receive(protocol.address, status)
            fail_receive(protocol.address, status)
            time.sleep(0.05)
        await until(lambda: len(protocol.errors) == (1 if waiting else 2))
        await hears(protocol, b"next")
        protocol.transport.close()
        return protocol

    protocol = run(main)
    assert {exc.winerror for exc in protocol.errors} == {TRANSIENT[status]}
    assert protocol.heard[-1] == b"next"


@needs_lab
def test_an_error_nobody_knows_is_reported_each_time_and_logged_once(run, caplog, monkeypatch):
    # Nothing is known yet.
    monkeypatch.setattr("tribler_udp_fix._asyncio._receiving.COUNTERS", Counters())

    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        for _ in range(2):
            fail_receive(protocol.address, 0xC007273A)  # 10042, WSAENOPROTOOPT
        await until(lambda: len(protocol.errors) == 2)
        await hears(protocol, b"next")
        protocol.transport.close()
        return protocol

    assert [exc.winerror for exc in run(main).errors] == [10042, 10042]
    assert caplog.text.count("unknown receive error") == 1


@needs_lab
def test_an_aborted_operation_is_silent_and_reading_goes_on(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        fail_receive(protocol.address, 0xC0000120)  # STATUS_CANCELLED
        await hears(protocol, b"next")
        protocol.transport.close()
        return protocol

    assert run(main).errors == []


@needs_lab
@pytest.mark.parametrize("status", DEAD, ids="{:X}".format)
def test_a_dead_socket_is_lost_once_with_its_error(run, status):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        fail_receive(protocol.address, status)
        await until(lambda: protocol.lost)
        await asyncio.sleep(0.1)
        return protocol

    protocol = run(main)
    (exc,) = protocol.lost
    assert exc.winerror == DEAD[status]
    assert protocol.errors == []


@needs_lab
def test_an_invalid_argument_on_a_bound_socket_does_not_stop_reading(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        fail_receive(protocol.address, 0xC0072726)  # 10022, as from a socket not yet bound
        await hears(protocol, b"next")
        protocol.transport.close()
        return protocol

    assert [exc.winerror for exc in run(main).errors] == [10022]


def test_a_socket_closed_under_its_transport_is_lost_once(run):
    async def main():
        sock = plain_socket()
        sock.setblocking(False)
        protocol = await endpoint(sock=sock)
        await hears(protocol, b"first")
        sock.close()
        await until(lambda: protocol.lost)
        await asyncio.sleep(0.1)
        assert protocol.transport.is_closing()
        protocol.transport.close()
        protocol.transport.abort()
        return protocol

    (exc,) = run(main).lost
    assert isinstance(exc, OSError)


def test_an_endpoint_that_was_never_bound_hears_after_its_first_send(run_both):
    async def main():
        server = await endpoint()
        protocol = await endpoint(family=socket.AF_INET)
        await asyncio.sleep(0.05)
        protocol.transport.sendto(b"hello", server.address)
        await until(lambda: server.heard == [b"hello"])
        port = protocol.transport.get_extra_info("socket").getsockname()[1]
        send(("127.0.0.1", port), b"answer")
        await until(lambda: protocol.heard == [b"answer"])
        server.transport.close()
        protocol.transport.close()
        return protocol

    assert run_both(main).errors == []


def test_a_handler_that_raises_goes_on_receiving(run_both):
    class Clumsy(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            raise LookupError(data)

        def error_received(self, exc):
            super().error_received(exc)
            raise LookupError(exc)

    async def main():
        protocol = await endpoint(protocol=Clumsy)
        protocol.transport.sendto(b"?", closed_address())
        await until(lambda: protocol.errors)
        await hears(protocol, b"one")
        await hears(protocol, b"two")
        protocol.transport.close()

    run_both(main)
    assert len(run_both.failures) == 3


def test_an_empty_datagram_is_delivered(run_both, family):
    async def main():
        protocol = await endpoint(family)
        await hears(protocol, b"", b"after")
        protocol.transport.close()
        return protocol

    assert run_both(main).heard == [b"", b"after"]


def test_a_truncated_datagram_is_an_error_and_counted_as_dropped(run):
    class Small(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.max_size = 16

    async def main():
        protocol = await endpoint(protocol=Small)
        await asyncio.sleep(0.05)
        await hears(protocol, b"x" * 17, b"fits")
        protocol.transport.close()
        return protocol

    before = tribler_udp_fix.status().counters["dropped_by_reason"].get("truncated", 0)
    protocol = run(main)
    assert protocol.heard == [b"fits"]
    assert [exc.winerror for exc in protocol.errors] == [10040]
    assert tribler_udp_fix.status().counters["dropped_by_reason"]["truncated"] == before + 1


def test_past_its_error_budget_no_datagram_waits_behind_errors(run, monkeypatch):
    error_budget(10)
    monkeypatch.setattr("tribler_udp_fix._asyncio._budget.CAPACITY", 60.0)  # machines are slow

    async def main():
        loop = asyncio.get_running_loop()
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        pauses = pauses_of(loop)
        for _ in range(500):
            protocol.transport.sendto(b"?", closed_address())
        await until(lambda: len(protocol.errors) == 500)
        await hears(protocol, b"next")
        protocol.transport.close()
        return sum(pauses)

    # A millisecond for each past the budget was half a second.
    assert run(main) == 0.0


def test_reading_can_be_started_again_from_outside_at_any_time(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        protocol.transport._loop_reading()  # while a receive waits: nothing to do
        await hears(protocol, b"one")
        protocol.transport._read_fut.cancel()  # somebody cancelled it: read again
        await hears(protocol, b"two")
        protocol.transport.close()
        return protocol

    assert run(main).heard == [b"one", b"two"]
