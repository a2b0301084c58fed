"""What networks and peers do to datagrams, on each kind of transport and of endpoint."""

from __future__ import annotations

import asyncio

import pytest
from subjects import each_kind, subject
from udp import only_on, plain_socket

from tribler_udp_fix import testing

pytestmark = only_on("3.12")


async def received(peer):
    """The next datagram; the loop goes on, for what a stock Proactor has queued."""
    return await asyncio.get_running_loop().run_in_executor(None, peer.recv, 100)


@each_kind
def test_datagrams_are_lost_doubled_delayed_and_sent_from_elsewhere(run_each, kind):
    async def main():
        made = await subject(kind)
        state = made.state()
        peer = plain_socket()
        peer.settimeout(2)

        def send(*words):
            for word in words:
                made.transport.sendto(word, peer.getsockname())

        async def heard(count=1):
            return [await received(peer) for _ in range(count)]

        with testing.lossy_network(made.target, 0.5, seed=1) as network:
            send(*[b"%d" % number for number in range(100)])
        assert network.sent == 100
        assert 30 < network.lost < 70
        first = await heard(100 - network.lost)
        with testing.lossy_network(made.target, 0.5, seed=1):
            send(*[b"%d" % number for number in range(100)])
        assert await heard(len(first)) == first  # the same ones, and in order

        with testing.repeated_answers(made.target):
            send(b"twice")
        assert await heard(2) == [b"twice"] * 2

        with testing.answers_from_elsewhere(made.target):
            send(b"elsewhere")
            data, source = peer.recvfrom(100)
            assert data == b"elsewhere"
            assert source[0] == made.address[0]
            assert source != made.address

        with testing.late_answers(made.target, 0.3):
            send(b"late")
        send(b"at once")
        assert await heard() == [b"at once"]
        await asyncio.sleep(0.5)
        assert await heard() == [b"late"]

        with testing.silent_peer(made.target):
            await made.is_deaf_to(b"nothing")
            send(b"nothing")
        await made.hears(b"after")
        send(b"after")
        assert await heard() == [b"after"]
        assert made.state() == state
        peer.close()
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_faults_that_are_nested_end_in_any_order(run_each):
    async def main():
        made = await subject("plain")
        peer = plain_socket()
        peer.settimeout(2)
        for first in (0, 1):
            both = [testing.repeated_answers(made.target) for _ in range(2)]
            for fault in both:
                fault.__enter__()
            made.transport.sendto(b"4", peer.getsockname())
            assert [await received(peer) for _ in range(4)] == [b"4"] * 4
            both[first].__exit__(None, None, None)
            made.transport.sendto(b"2", peer.getsockname())
            assert [await received(peer) for _ in range(2)] == [b"2"] * 2
            both[1 - first].__exit__(None, None, None)
            assert "sendto" not in vars(made.transport)
        peer.close()
        made.close()

    run_each(main)


def test_a_share_that_is_none_is_refused():
    with pytest.raises(ValueError, match="share=2: allowed is a number from 0 to 1"):
        testing.lossy_network(None, 2).__enter__()
