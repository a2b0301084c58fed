"""A datagram transport that sends what is queued, whatever became of the datagram before."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import pytest
from udp import Recorder, endpoint, full_socket, until

import tribler_udp_fix

TOO_LARGE = b"x" * 70_000


def test_a_write_error_strands_neither_the_queue_nor_a_paused_protocol(run_both):
    async def main():
        receiver, sender = await endpoint(), await endpoint()
        sender.transport.set_write_buffer_limits(high=0)
        for data in (b"one", TOO_LARGE, b"two", TOO_LARGE, b"three"):
            sender.transport.sendto(data, receiver.address)
        await until(lambda: len(receiver.heard) == 3)
        assert receiver.heard == [b"one", b"two", b"three"]
        assert [exc.winerror for exc in sender.errors] == [10040, 10040]
        assert len(sender.all("paused")) == len(sender.all("resumed"))
        assert sender.transport.get_write_buffer_size() == 0
        receiver.transport.close()
        sender.transport.close()

    run_both(main)


def test_error_received_may_send_and_may_raise(run):
    class Insistent(Recorder):
        peer: Any

        def error_received(self, exc):
            super().error_received(exc)
            self.transport.sendto(b"again", self.peer)
            raise LookupError(exc)

    async def main():
        receiver, sender = await endpoint(), await endpoint(protocol=Insistent)
        sender.peer = receiver.address
        for data in (TOO_LARGE, b"one", TOO_LARGE, b"two"):
            sender.transport.sendto(data, receiver.address)
        await until(lambda: len(receiver.heard) == 4)
        receiver.transport.close()
        sender.transport.close()
        return receiver

    assert sorted(run(main).heard) == [b"again", b"again", b"one", b"two"]
    assert len(run.failures) == 2


# As a peer can announce them (https://github.com/MagicStack/uvloop/issues/338).
NO_ADDRESSES = {
    "port 70000": ("127.0.0.1", 70_000),
    "port -1": ("127.0.0.1", -1),
    "a 4-tuple": ("127.0.0.1", 9, 0, 0),
    "no tuple": "127.0.0.1",
    "no port": ("127.0.0.1",),
    "a name that is none": ("no such name.invalid", 9),
    "a port in words": ("127.0.0.1", "nine"),
}


@pytest.mark.parametrize("address", NO_ADDRESSES.values(), ids=list(NO_ADDRESSES))
@pytest.mark.parametrize("full", [0, 1], ids=["free", "full"])
def test_what_is_no_address_costs_its_datagram_and_nothing_else(run, address, full):
    async def main():
        sender = await endpoint(sock=full_socket(full))
        sender.transport.sendto(b"x", address)
        await until(lambda: sender.errors)
        sender.transport.sendto(b"heard", sender.address)
        await until(lambda: sender.heard == [b"heard"])
        sender.transport.close()
        return sender

    before = tribler_udp_fix.status().counters["dropped_by_reason"].get("send failed", 0)
    (exc,) = run(main).errors
    assert isinstance(exc, OSError)
    assert tribler_udp_fix.status().counters["dropped_by_reason"]["send failed"] == before + 1


def test_the_write_buffer_is_empty_after_everything_was_sent(run_both):
    async def main():
        receiver, sender = await endpoint(), await endpoint()
        sender.transport.set_write_buffer_limits(high=100)
        for number in range(100):
            sender.transport.sendto(b"%d" % number, receiver.address)
        await until(lambda: len(receiver.heard) == 100)
        assert receiver.heard == [b"%d" % number for number in range(100)]
        assert sender.transport.get_write_buffer_size() == 0
        assert len(sender.all("paused")) == len(sender.all("resumed"))
        receiver.transport.close()
        sender.transport.close()

    run_both(main)


def test_an_ipv6_pair_is_an_address_on_every_way_to_send(run_both):
    async def main():
        receiver = await endpoint(socket.AF_INET6)
        sender = await endpoint(socket.AF_INET6)
        pair = receiver.address[:2]
        sender.transport.sendto(b"transport", pair)
        sender.transport.sendto(b"four", receiver.address)
        await until(lambda: receiver.heard == [b"transport", b"four"])
        loop = asyncio.get_running_loop()
        if hasattr(loop, "sock_sendto"):
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                await loop.sock_sendto(sock, b"socket", pair)
                await until(lambda: receiver.heard[-1] == b"socket")
        receiver.transport.close()
        sender.transport.close()
        assert sender.errors == []

    run_both(main)


async def heard_of_a_buffer_that_changes(sender):
    """What a receiver hears of a buffer that is sent three times, and changed then."""
    receiver = await endpoint()
    data = bytearray(b"before")
    for _ in range(3):
        sender.transport.sendto(data, receiver.address)
    data[:] = b"after!"
    await until(lambda: len(receiver.heard) == 3)
    receiver.transport.close()
    sender.transport.close()
    return receiver.heard


def test_what_is_sent_is_what_it_was_when_it_was_sent(run):
    async def main():
        return await heard_of_a_buffer_that_changes(await endpoint())

    assert run(main) == [b"before"] * 3


def test_what_is_no_datagram_is_refused(run):
    async def main():
        sender = await endpoint()
        with pytest.raises(TypeError, match="bytes-like"):
            sender.transport.sendto("text", sender.address)
        sender.transport.close()
        connected = await endpoint(remote_addr=("127.0.0.1", 9))
        with pytest.raises(ValueError, match="Invalid address"):
            connected.transport.sendto(b"x", ("127.0.0.1", 10))
        connected.transport.close()

    run(main)


def test_a_send_that_failed_leaves_no_unexpected_event_behind(run):
    async def main():
        loop: Any = asyncio.get_running_loop()
        loop.set_debug(True)  # IocpProactor tells of unexpected events in debug mode only
        sender = await endpoint()
        connected = await endpoint(remote_addr=sender.address)
        sender.transport.sendto(TOO_LARGE, sender.address)
        connected.transport.sendto(TOO_LARGE)
        await until(lambda: sender.errors and connected.errors)
        await asyncio.sleep(0.05)
        overlapped = [entry[0] for entry in loop._proactor._cache.values()]
        assert not any(future.done() for future in overlapped)
        sender.transport.close()
        connected.transport.close()

    run(main)
    assert run.failures == []


def test_the_write_buffer_counts_bytes_whatever_a_memoryview_counts(run):
    async def main():
        receiver, sender = await endpoint(), await endpoint()
        for _ in range(3):
            sender.transport.sendto(memoryview(b"12345678").cast("I"), receiver.address)
            assert sender.transport.get_write_buffer_size() >= 0
        await until(lambda: receiver.heard == [b"12345678"] * 3)
        assert sender.transport.get_write_buffer_size() == 0
        receiver.transport.close()
        sender.transport.close()

    run(main)


def test_a_protocol_that_ends_the_program_strands_nothing(repaired):
    class Ends(Recorder):
        def error_received(self, exc):
            super().error_received(exc)
            raise SystemExit

    async def main():
        endpoints.extend([await endpoint(), await endpoint(protocol=Ends, sock=full_socket())])
        receiver, sender = endpoints
        for data in (b"one", TOO_LARGE, b"two"):
            sender.transport.sendto(data, receiver.address)
        sender.transport.close()
        await asyncio.sleep(60)

    endpoints: list[Any] = []
    loop = asyncio.ProactorEventLoop()
    task = loop.create_task(main())
    with pytest.raises(SystemExit):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.sleep(0.3))
    receiver, sender = endpoints
    assert receiver.heard == [b"one", b"two"]
    assert sender.lost == [None]
    receiver.transport.close()
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()


def test_a_host_name_is_an_address_as_for_the_selector(run_both):
    async def main():
        receiver, sender = await endpoint(), await endpoint()
        sender.transport.sendto(b"hello", ("localhost", receiver.address[1]))
        await until(lambda: receiver.heard == [b"hello"])
        receiver.transport.close()
        sender.transport.close()

    run_both(main)


@pytest.mark.parametrize("connected", [False, True], ids=["unconnected", "connected"])
def test_what_a_full_socket_refuses_is_queued_counted_and_sent_in_order(run, connected):
    header = 8 if sys.version_info >= (3, 13) else 0
    sent = [b"%d" % number * 10 for number in range(200)]

    async def main():
        receiver = await endpoint()
        sock = full_socket()
        if connected:
            sock.connect(receiver.address)
        sender = await endpoint(sock=sock)
        if connected:
            sender.transport._address = receiver.address
        sender.transport.set_write_buffer_limits(high=500, low=100)
        for data in sent:
            sender.transport.sendto(data, None if connected else receiver.address)
        # The first is on its way, and the others wait for it.
        queued = sum(len(data) + header for data in sent[1:])
        assert sender.transport.get_write_buffer_size() == queued
        assert sender.all("paused") == [None]
        assert sender.all("resumed") == []
        await until(lambda: sender.all("resumed"))
        assert sender.transport.get_write_buffer_size() <= 100
        await until(lambda: len(receiver.heard) == len(sent))
        sender.transport.sendto(b"after", None if connected else receiver.address)
        await until(lambda: receiver.heard[-1] == b"after")
        assert receiver.heard[:-1] == sent
        assert sender.transport.get_write_buffer_size() == 0
        assert sender.all("paused") == sender.all("resumed") == [None]
        receiver.transport.close()
        sender.transport.close()

    run(main)


def test_a_protocol_is_paused_by_no_byte_less_and_resumed_by_no_byte_more(run):
    header = 8 if sys.version_info >= (3, 13) else 0
    size = 100 + header

    async def main():
        sender = await endpoint(sock=full_socket())
        sender.transport.set_write_buffer_limits(high=3 * size, low=size)
        for _ in range(4):
            sender.transport.sendto(bytes(100), sender.address)
        assert sender.transport.get_write_buffer_size() == 3 * size
        assert sender.all("paused") == []
        sender.transport.sendto(bytes(100), sender.address)
        assert sender.all("paused") == [None]
        await until(lambda: len(sender.heard) == 5)
        assert sender.all("resumed") == [None]
        sender.transport.close()

    run(main)


def test_a_socket_that_is_full_again_and_again_loses_nothing(run):
    async def main():
        sock = full_socket(3)
        receiver, sender = await endpoint(), await endpoint(sock=sock)
        for number in range(100):
            sender.transport.sendto(b"%d" % number, receiver.address)
            if number % 7 == 0:
                sock.full = 1
                await asyncio.sleep(0)
        await until(lambda: len(receiver.heard) == 100)
        receiver.transport.close()
        sender.transport.close()
        return receiver

    assert run(main).heard == [b"%d" % number for number in range(100)]


def test_what_waits_in_the_queue_is_what_it_was_when_it_was_sent(run):
    async def main():
        return await heard_of_a_buffer_that_changes(await endpoint(sock=full_socket()))

    assert run(main) == [b"before"] * 3
