"""A datagram transport tells whether it reads, and can be made to read again."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from typing import Any

import pytest
from udp import (
    closed_address,
    endpoint,
    hears,
    needs_windows,
    plain_socket,
    send,
    until,
)


def lose_completion(transport: Any) -> None:
    """Let the completion of the posted receive come to nobody, as after sleep and resume."""
    del transport._loop._proactor._cache[transport._read_fut._ov.address]


def stop_reading(transport: Any) -> None:
    """Leave the transport as a dead one is: open, and with no receive posted."""
    transport._read_fut.remove_done_callback(transport._loop_reading)
    transport._read_fut.cancel()
    transport._read_fut = None


def test_an_endpoint_reads_from_its_first_moment_until_it_closes(run):
    async def main():
        protocol = await endpoint()
        assert protocol.transport.reading
        await hears(protocol, b"one")
        assert protocol.transport.reading
        protocol.transport.close()
        assert not protocol.transport.reading

    run(main)


def test_an_endpoint_made_this_very_moment_reads(run):
    async def main():
        loop: Any = asyncio.get_running_loop()
        sock = plain_socket()
        sock.setblocking(False)
        transport = loop._make_datagram_transport(sock, asyncio.DatagramProtocol())
        assert transport.reading
        transport.close()

    run(main)


def test_an_endpoint_whose_receive_is_gone_does_not_read(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        stop_reading(protocol.transport)
        assert not protocol.transport.reading
        protocol.transport.close()

    run(main)


@needs_windows
def test_an_endpoint_that_waits_for_its_first_send_reads(run):
    async def main():
        protocol = await endpoint(family=socket.AF_INET)
        await asyncio.sleep(0.05)
        assert protocol.transport._read_fut is None
        assert protocol.transport.reading
        protocol.transport.close()

    run(main)


def test_rearming_starts_to_read_where_nothing_does(run, family):
    async def main():
        protocol = await endpoint(family)
        await asyncio.sleep(0.05)
        stop_reading(protocol.transport)
        send(protocol.address, b"one")
        protocol.transport.rearm()
        assert protocol.transport.reading
        await until(lambda: protocol.heard == [b"one"])
        await hears(protocol, b"two")
        protocol.transport.close()

    run(main)


@pytest.mark.parametrize("connected", [False, True], ids=["unconnected", "connected"])
def test_rearming_replaces_a_receive_whose_completion_is_lost(run, connected):
    async def main():
        peer = plain_socket()
        options = {"remote_addr": peer.getsockname()} if connected else {}
        protocol = await endpoint(**options)
        await asyncio.sleep(0.05)
        lose_completion(protocol.transport)
        protocol.transport.rearm()
        await asyncio.sleep(0.05)
        for data in (b"one", b"two"):
            peer.sendto(data, protocol.address)
        peer.close()
        await until(lambda: protocol.heard == [b"one", b"two"])
        protocol.transport.close()

    run(main)


def test_a_datagram_that_came_with_the_lost_completion_is_delivered_first(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        lose_completion(protocol.transport)
        send(protocol.address, b"one", b"two")
        await asyncio.sleep(0.1)
        assert protocol.heard == []
        protocol.transport.rearm()
        await hears(protocol, b"three")
        assert protocol.heard == [b"one", b"two", b"three"]
        protocol.transport.close()

    run(main)


def test_an_error_that_came_with_the_lost_completion_is_reported(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        lose_completion(protocol.transport)
        protocol.transport.sendto(b"?", closed_address())
        await asyncio.sleep(0.1)
        assert protocol.errors == []
        protocol.transport.rearm()
        await hears(protocol, b"next")
        assert [exc.winerror for exc in protocol.errors] == [10054]
        protocol.transport.close()

    run(main)


def test_rearming_a_healthy_endpoint_at_any_moment_costs_no_datagram_and_no_order(run):
    async def main():
        protocol = await endpoint()
        with plain_socket() as peer:
            for number in range(200):
                peer.sendto(b"%d" % number, protocol.address)
                if number % 3 == 0:
                    time.sleep(0.002)  # the receive completes, and the loop has not heard of it
                protocol.transport.rearm()
                if number % 2 == 0:
                    await asyncio.sleep(0)
        await until(lambda: len(protocol.heard) == 200)
        protocol.transport.close()
        return protocol

    protocol = run(main)
    assert protocol.heard == [b"%d" % number for number in range(200)]
    assert protocol.errors == []


def test_rearming_while_closing_does_nothing(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        protocol.transport.close()
        protocol.transport.rearm()
        assert protocol.transport._read_fut is None
        await until(lambda: protocol.lost)
        protocol.transport.rearm()
        return protocol

    assert run(main).lost == [None]


def test_rearming_leaves_nothing_behind(run):
    async def main():
        loop: Any = asyncio.get_running_loop()
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        for _ in range(100):
            protocol.transport.rearm()
        await asyncio.sleep(0.1)
        gc.collect()
        sock = protocol.transport.get_extra_info("socket")
        posted = [e for e in loop._proactor._cache.values() if e[2].fileno() == sock.fileno()]
        assert len(posted) == 1
        await hears(protocol, b"heard")
        protocol.transport.close()

    run(main)
