"""A datagram transport that is closed, or aborted: what still leaves, and what is counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from udp import endpoint, full_socket, plain_socket, until

import tribler_udp_fix

TOO_LARGE = b"x" * 70_000


def test_close_sends_what_is_queued_and_then_says_good_bye_once(run_both, family):
    async def main():
        receiver, sender = await endpoint(family), await endpoint(family)
        for number in range(20):
            sender.transport.sendto(b"%d" % number, receiver.address)
        sender.transport.close()
        sender.transport.close()
        await until(lambda: sender.lost)
        await until(lambda: len(receiver.heard) == 20)
        await asyncio.sleep(0.05)
        receiver.transport.close()
        return sender

    assert run_both(main).lost == [None]


def test_abort_after_close_drops_the_queue_counts_it_and_says_good_bye_once(run):
    async def main():
        sender = await endpoint(sock=full_socket())
        for _ in range(20):
            sender.transport.sendto(b"x", sender.address)
        queued = len(sender.transport._buffer)
        sender.transport.close()
        sender.transport.abort()
        await until(lambda: sender.lost)
        await asyncio.sleep(0.05)
        return sender, queued

    before = tribler_udp_fix.status().counters["datagrams_dropped"]
    sender, queued = run(main)
    assert sender.lost == [None]
    assert queued > 0
    assert tribler_udp_fix.status().counters["datagrams_dropped"] == before + queued


def test_a_send_that_is_a_task_of_another_proactors_is_given_up(repaired):
    class Patient(asyncio.IocpProactor):
        _loop: Any

        def sendto(self, *args):
            return self._loop.create_task(asyncio.sleep(30))

    async def main():
        sender = await endpoint(sock=full_socket())
        for _ in range(2):
            sender.transport.sendto(b"x", sender.address)
        sender.transport.abort()
        await until(lambda: sender.lost)
        return sender

    loop = asyncio.ProactorEventLoop(Patient())
    try:
        sender = loop.run_until_complete(asyncio.wait_for(main(), 10))
    finally:
        loop.close()
    assert sender.lost == [None]


def test_abort_counts_the_datagram_that_a_full_socket_has_not_taken_yet(run):
    from tribler_udp_fix._asyncio._operations import post

    async def main():
        sender = await endpoint()
        with plain_socket() as idle:
            # A real operation that is pending, as a full socket's is; none stays full for long.
            loop: Any = asyncio.get_running_loop()
            sender.transport._write_fut = post(loop._proactor, idle, "WSARecv", 1, 0)
            sender.transport._full = True
            sender.transport._in_flight = b"on its way", sender.address
            sender.transport.sendto(b"behind it", sender.address)
            sender.transport.abort()
            await until(lambda: sender.lost)

    before = tribler_udp_fix.status().counters["datagrams_dropped"]
    run(main)
    assert tribler_udp_fix.status().counters["datagrams_dropped"] == before + 2


def test_what_was_queued_before_close_leaves_a_full_socket_too(run):
    async def main():
        receiver, sender = await endpoint(), await endpoint(sock=full_socket())
        for number in range(200):
            sender.transport.sendto(b"%d" % number, receiver.address)
        sender.transport.close()
        assert sender.lost == []
        await until(lambda: sender.lost)
        await until(lambda: len(receiver.heard) == 200)
        receiver.transport.close()
        return receiver, sender

    receiver, sender = run(main)
    assert receiver.heard == [b"%d" % number for number in range(200)]
    assert sender.lost == [None]


def _sent_after_close() -> int:
    counted: int = tribler_udp_fix.status().counters["dropped_by_reason"].get("sent after close", 0)
    return counted


@pytest.mark.parametrize("end", ["close", "abort"])
def test_what_is_sent_after_close_leaves_as_long_as_there_is_a_socket(run_both, end):
    async def main():
        sender, listener = await endpoint(), await endpoint()
        getattr(sender.transport, end)()
        sender.transport.sendto(b"good-bye", listener.address)
        await until(lambda: sender.lost)
        await until(lambda: listener.heard == [b"good-bye"])
        listener.transport.close()

    before = _sent_after_close()
    run_both(main)
    assert _sent_after_close() == before


def test_what_is_sent_after_close_comes_after_what_is_queued(run_both):
    async def main():
        sender, listener = await endpoint(sock=full_socket(3)), await endpoint()
        sender.transport.sendto(b"queued", listener.address)
        sender.transport.close()
        sender.transport.sendto(b"good-bye", listener.address)
        await until(lambda: listener.heard == [b"queued", b"good-bye"])
        await until(lambda: sender.lost)
        listener.transport.close()

    run_both(main)


def test_what_is_sent_after_close_and_cannot_leave_is_counted_as_dropped(run):
    async def main():
        sender, connected = await endpoint(), await endpoint(remote_addr=("127.0.0.1", 9))
        full = await endpoint(sock=full_socket(3))
        connected.transport.close()
        connected.transport.sendto(b"late")  # as asyncio's own
        full.transport.close()
        if tribler_udp_fix.status().settings.fast_path:  # else the system sends it
            full.transport.sendto(b"late", sender.address)
        sender.transport.close()
        await until(lambda: sender.lost and connected.lost and full.lost)
        sender.transport.sendto(b"later", sender.transport.get_extra_info("sockname"))

    before = _sent_after_close()
    run(main)
    expected = 3 if tribler_udp_fix.status().settings.fast_path else 2
    assert _sent_after_close() == before + expected
