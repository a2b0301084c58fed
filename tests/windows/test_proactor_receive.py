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
    pauses_of,
    plain_socket,
    send,
    until,
)

import tribler_udp_fix

ROOM = 2000
TURNS = 10  # of the event loop, in which what is there has been received


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


def test_what_goes_wrong_after_a_wait_is_told_to_who_awaits(run, sock):
    async def main():
        loop: Any = asyncio.get_running_loop()
        view = memoryview(bytearray(100))
        waiting = loop._proactor.recv_into(sock, view)
        view.release()
        send(sock.getsockname(), b"waits for nobody")
        with pytest.raises((TypeError, ValueError)):
            await asyncio.wait_for(waiting, 10)

    run(main)
    assert run.failures == []


def test_past_the_budget_errors_are_passed_over_without_a_wait(run, sock, family, monkeypatch):
    error_budget(1)
    monkeypatch.setattr("tribler_udp_fix._asyncio._budget.CAPACITY", 5.0)  # machines are slow

    async def main():
        loop: Any = asyncio.get_running_loop()
        for _ in range(1000):
            sock.sendto(b"?", closed_address(family))
        send(sock.getsockname(), b"behind them")
        time.sleep(0.05)
        pauses = pauses_of(loop)
        assert (await loop._proactor.recvfrom(sock, ROOM))[0] == b"behind them"
        return sum(pauses)

    # It was 1 s, a millisecond for each; and then much more, when each paid for all before it.
    assert run(main) == 0.0


@every_receiver
def test_a_connected_socket_is_told_that_its_peer_is_gone(run, sock, family, receive):
    async def main():
        loop: Any = asyncio.get_running_loop()
        with plain_socket(family) as peer:
            sock.connect(peer.getsockname())
        waiting = asyncio.ensure_future(receive(loop, sock))
        await asyncio.sleep(0.05)
        for _ in range(2):  # while it waits, and before
            sock.send(b"?")
            time.sleep(0.05)
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(waiting, 5)
            sock.send(b"?")
            time.sleep(0.05)
            waiting = asyncio.ensure_future(receive(loop, sock))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(waiting, 5)

    run(main)


def test_a_time_out_takes_no_datagram_along(run, sock):
    async def main():
        loop: Any = asyncio.get_running_loop()
        heard = 0
        for number in range(200):
            waiting = asyncio.ensure_future(_sock_recv(loop, sock))
            await asyncio.sleep(0)
            send(sock.getsockname(), b"%d" % number)
            if number % 2:
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            heard += not waiting.cancelled()
        sock.settimeout(1)
        while heard < 200:
            sock.recv(100)
            heard += 1
        return heard

    assert run(main) == 200


@pytest.mark.parametrize("timeout", [0, 1, None])
def test_what_is_there_is_received_at_once_whatever_the_sockets_time_out(run, sock, timeout):
    async def main():
        loop: Any = asyncio.get_running_loop()
        sock.settimeout(timeout)
        send(sock.getsockname(), *(b"%d" % number for number in range(8)))
        await asyncio.sleep(0.05)
        received = [loop._proactor.recv(sock, ROOM) for _ in range(8)]
        assert [each.done() and each.result() for each in received] == [
            b"%d" % number for number in range(8)
        ]
        assert sock.gettimeout() == timeout

    run(main)


@pytest.mark.parametrize("timeout", [0, None])
def test_an_error_in_front_of_each_datagram_costs_no_pause(run, sock, family, timeout):
    async def main():
        loop = asyncio.get_running_loop()
        pauses = pauses_of(loop)
        error_budget(1)
        closed = closed_address(family)
        sock.settimeout(timeout)
        for number in range(20):
            sock.sendto(b"?", closed)
            await asyncio.sleep(0.005)
            send(sock.getsockname(), b"%d" % number)
            await asyncio.sleep(0.005)
            assert await loop.sock_recv(sock, ROOM) == b"%d" % number
        assert not any(pauses)  # on a busy machine it gives way, for no time

    run(main)


@every_receiver
def test_a_datagram_behind_an_error_is_received_within_a_few_turns(run, sock, family, receive):
    async def main():
        loop: Any = asyncio.get_running_loop()
        for number in range(20):
            sock.sendto(b"?", closed_address(family))
            send(sock.getsockname(), b"%d" % number)
            time.sleep(0.02)
            received = asyncio.ensure_future(_as_task(receive(loop, sock)))
            for _ in range(TURNS):
                await asyncio.sleep(0)
            assert received.done()
            assert data_of(received.result()) == b"%d" % number

    run(main)


@every_receiver
def test_a_datagram_larger_than_the_buffer_is_an_error_and_counted(run, sock, receive):
    async def main():
        loop: Any = asyncio.get_running_loop()
        for waits in (True, False):
            waiting = asyncio.ensure_future(receive(loop, sock)) if waits else None
            await asyncio.sleep(0.05)
            send(sock.getsockname(), b"x" * (ROOM + 1), b"next")
            time.sleep(0.05)
            with pytest.raises(OSError) as caught:
                await (waiting or receive(loop, sock))
            assert caught.value.winerror == 10040
            assert data_of(await receive(loop, sock)) == b"next"

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
        await until(lambda: all(entry[2] is not sock for entry in loop._proactor._cache.values()))

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
