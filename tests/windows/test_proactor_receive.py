"""loop.sock_recvfrom() and its kin on the repaired Proactor."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref
from typing import Any

import pytest
from udp import (
    closed_address,
    endpoint,
    error_budget,
    fail_receive,
    hears,
    needs_lab,
    needs_windows,
    plain_socket,
    send,
    until,
)

import tribler_udp_fix

ROOM = 2000


def _receive_from(loop, sock):
    return loop._proactor.recvfrom(sock, ROOM)


def _receive(loop, sock):
    return loop._proactor.recv(sock, ROOM)


async def _receive_into(loop, sock):
    buffer = bytearray(ROOM)
    received = await loop._proactor.recv_into(sock, buffer)
    return bytes(buffer[:received])


async def _sock_recvfrom(loop, sock):
    return await loop.sock_recvfrom(sock, ROOM)


async def _sock_recvfrom_into(loop, sock):
    buffer = bytearray(ROOM)
    received, address = await loop.sock_recvfrom_into(sock, buffer)
    return bytes(buffer[:received]), address


async def _sock_recv(loop, sock):
    return await loop.sock_recv(sock, ROOM)


async def _sock_recv_into(loop, sock):
    buffer = bytearray(ROOM)
    received = await loop.sock_recv_into(sock, buffer)
    return bytes(buffer[:received])


def _has(name):
    return hasattr(getattr(asyncio, "IocpProactor", None), name)


SINCE_3_11 = pytest.mark.skipif(
    not _has("recvfrom_into"), reason="this Python has no sock_recvfrom"
)
RECEIVERS = [
    pytest.param(_receive_from, id="proactor.recvfrom"),
    pytest.param(_receive, id="proactor.recv"),
    pytest.param(_receive_into, id="proactor.recv_into"),
    pytest.param(_sock_recvfrom, id="loop.sock_recvfrom", marks=SINCE_3_11),
    pytest.param(_sock_recvfrom_into, id="loop.sock_recvfrom_into", marks=SINCE_3_11),
    pytest.param(_sock_recv, id="loop.sock_recv"),
    pytest.param(_sock_recv_into, id="loop.sock_recv_into"),
]
every_receiver = pytest.mark.parametrize("receive", RECEIVERS)


def data_of(received):
    return received[0] if isinstance(received, tuple) else received


async def _as_task(received):
    return await received


@pytest.fixture
def sock(family):
    with plain_socket(family) as sock:
        sock.setblocking(False)
        yield sock


@every_receiver
def test_errors_before_and_during_the_wait_are_passed_over(run, sock, family, receive):
    async def main():
        loop: Any = asyncio.get_running_loop()
        for _ in range(3):
            sock.sendto(b"?", closed_address(family))
        time.sleep(0.05)
        waiting = asyncio.ensure_future(receive(loop, sock))
        await asyncio.sleep(0.1)
        for _ in range(3):
            sock.sendto(b"?", closed_address(family))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        with plain_socket(family) as peer:
            peer.sendto(b"real", sock.getsockname())
            received = await waiting
            if isinstance(received, tuple):
                assert received[1] == peer.getsockname()
            return data_of(received)

    before = tribler_udp_fix.status().counters["receives_rearmed"]
    assert run(main) == b"real"
    assert tribler_udp_fix.status().counters["receives_rearmed"] == before + 6


@every_receiver
def test_a_cancelled_receive_leaves_the_next_datagram_to_the_next_reader(run, sock, receive):
    async def main():
        loop: Any = asyncio.get_running_loop()
        for _ in range(5):
            waiting = asyncio.ensure_future(receive(loop, sock))
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await asyncio.sleep(0.05)
        send(sock.getsockname(), b"next")
        return data_of(await asyncio.wait_for(receive(loop, sock), 5))

    assert run(main) == b"next"


def test_cancelling_while_it_waits_for_its_budget_cancels(run, sock, family):
    tribler_udp_fix.install(tribler_udp_fix.Settings(error_budget=2))

    async def main():
        loop: Any = asyncio.get_running_loop()
        for _ in range(4):
            sock.sendto(b"?", closed_address(family))
        time.sleep(0.05)
        waiting = loop._proactor.recvfrom(sock, ROOM)  # two errors at once, the third waits
        assert waiting._ov is None
        assert waiting.cancel()
        await asyncio.sleep(1)
        assert waiting.cancelled()
        send(sock.getsockname(), b"next")
        return (await asyncio.wait_for(loop._proactor.recvfrom(sock, ROOM), 5))[0]

    try:
        assert run(main) == b"next"
    finally:
        tribler_udp_fix.install(tribler_udp_fix.Settings())


def test_what_goes_wrong_after_the_budgets_wait_is_told_to_who_awaits(run, sock, family):
    error_budget(1)

    async def main():
        loop: Any = asyncio.get_running_loop()
        view = memoryview(bytearray(100))
        for _ in range(2):
            sock.sendto(b"?", closed_address(family))
        await asyncio.sleep(0.05)
        waiting = loop._proactor.recv_into(sock, view)  # waits for its token now
        view.release()
        with pytest.raises((TypeError, ValueError)):
            await asyncio.wait_for(waiting, 10)

    run(main)
    assert run.failures == []


@every_receiver
def test_a_datagram_behind_an_error_is_received_before_a_time_out(run, sock, family, receive):
    async def main():
        loop: Any = asyncio.get_running_loop()
        for number in range(20):
            sock.sendto(b"?", closed_address(family))
            send(sock.getsockname(), b"%d" % number)
            time.sleep(0.02)
            received = await asyncio.wait_for(_as_task(receive(loop, sock)), 0.001)
            assert data_of(received) == b"%d" % number

    run(main)


@every_receiver
def test_a_datagram_larger_than_the_buffer_is_dropped_and_counted(run, sock, receive):
    async def main():
        loop: Any = asyncio.get_running_loop()
        send(sock.getsockname(), b"x" * (ROOM + 1), b"waits")
        assert data_of(await receive(loop, sock)) == b"waits"
        waiting = asyncio.ensure_future(receive(loop, sock))
        await asyncio.sleep(0.05)
        send(sock.getsockname(), b"x" * (ROOM + 1), b"comes")
        assert data_of(await waiting) == b"comes"

    before = tribler_udp_fix.status().counters["dropped_by_reason"].get("truncated", 0)
    run(main)
    counters = tribler_udp_fix.status().counters["dropped_by_reason"]
    assert counters["truncated"] == before + 2


def test_a_cancelled_receive_leaks_nothing(run, sock):
    async def main():
        loop: Any = asyncio.get_running_loop()
        waiting = loop._proactor.recvfrom(sock, ROOM)
        pending = weakref.ref(waiting)
        waiting.cancel()
        del waiting
        await until(lambda: gc.collect() is not None and pending() is None)
        overlapped = [entry for entry in loop._proactor._cache.values() if entry[2] is sock]
        assert overlapped == []

    run(main)


def test_a_receive_on_a_closed_socket_fails(run, sock):
    async def main():
        loop: Any = asyncio.get_running_loop()
        sock.close()
        with pytest.raises(OSError) as caught:
            await loop.sock_recv(sock, ROOM)
        return caught.value

    assert run(main).winerror in (6, 87, 10038)


@needs_windows
def test_a_receive_on_a_socket_that_was_never_bound_fails_at_once(run):
    async def main():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            with pytest.raises(OSError) as caught:
                await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, ROOM), 5)
        return caught.value

    assert run(main).winerror == 10022


@needs_lab
def test_an_error_nobody_knows_is_raised(run, sock):
    async def main():
        loop: Any = asyncio.get_running_loop()
        waiting = loop._proactor.recvfrom(sock, ROOM)
        await asyncio.sleep(0.05)
        fail_receive(sock.getsockname(), 0xC0000022)  # STATUS_ACCESS_DENIED
        with pytest.raises(OSError):
            await asyncio.wait_for(waiting, 5)

    run(main)


def test_streams_are_left_to_asyncio(run):
    async def main():
        async def serve(reader, writer):
            writer.write(await reader.read(100))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        answer = await reader.read(100)
        writer.close()
        server.close()
        return answer

    assert run(main) == b"hello"


def test_a_transport_made_before_install_survives_an_error(run_stock):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        tribler_udp_fix.install()
        try:
            await hears(protocol, b"one")  # the receive that stock asyncio posted
            for _ in range(3):
                protocol.transport.sendto(b"?", closed_address())
            await asyncio.sleep(0.1)
            await hears(protocol, b"two")
        finally:
            tribler_udp_fix.uninstall()
        await hears(protocol, b"three")
        protocol.transport.close()

    run_stock(main)


def test_a_transport_made_before_uninstall_stays_repaired(run_stock):
    async def main():
        tribler_udp_fix.install()
        try:
            protocol = await endpoint()
        finally:
            tribler_udp_fix.uninstall()
        for _ in range(3):
            protocol.transport.sendto(b"?", closed_address())
        await until(lambda: len(protocol.errors) == 3)
        await hears(protocol, b"heard")
        protocol.transport.close()

    run_stock(main)
