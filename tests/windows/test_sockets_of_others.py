"""Sockets that are not quite what asyncio takes them for, and addresses that are not, either."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from child import python
from udp import closed_address, endpoint, full_socket, hears, only_on, plain_socket, send, until


def test_a_socket_of_another_completion_port_is_lost_and_its_owner_hears(run):
    """As a socket that a parent process, or another loop, has shared (uvicorn 342, px 267)."""
    owner: Any = asyncio.ProactorEventLoop()
    with plain_socket() as sock:
        sock.setblocking(False)
        waiting = owner.create_task(owner.sock_recv(sock, 100))
        owner.run_until_complete(asyncio.sleep(0))
        address = sock.getsockname()

        async def main():
            twin = sock.dup()
            twin.setblocking(False)
            send(address, b"one", b"two")
            protocol = await endpoint(sock=twin)
            await until(lambda: protocol.lost)
            await asyncio.sleep(0.05)
            assert twin.fileno() == -1
            return protocol

        protocol = run(main)
        assert [name for name, _ in protocol.calls] == ["made", "lost"]
        assert isinstance(protocol.lost[0], OSError)
        assert owner.run_until_complete(asyncio.wait_for(waiting, 5)) == b"one"
        assert owner.run_until_complete(asyncio.wait_for(owner.sock_recv(sock, 100), 5)) == b"two"
    owner.close()


def test_where_a_broadcast_is_allowed_a_remote_address_is_no_connection(run_both, family):
    """F23: caproto 680."""

    async def main():
        with plain_socket(family) as peer, plain_socket(family) as other:
            for sock in (peer, other):
                sock.setblocking(False)
            protocol = await endpoint(
                remote_addr=peer.getsockname()[:2],
                local_addr=(*other.getsockname()[:1], 0),
                allow_broadcast=True,
            )
            senders: list[Any] = []
            protocol.datagram_received = lambda _, address: senders.append(address)
            protocol.transport.sendto(b"hello")
            protocol.transport.sendto(b"hello", peer.getsockname())
            with pytest.raises(ValueError, match="Invalid address"):
                protocol.transport.sendto(b"x", other.getsockname())
            for _ in range(2):
                await until(lambda: _received(peer) == b"hello")
            # Whoever got the broadcast may answer, from an address of its own.
            for sock in (peer, other):
                sock.sendto(b"answer", protocol.address)
            await until(lambda: len(senders) == 2)
            assert senders == [peer.getsockname(), other.getsockname()]
            assert protocol.errors == []
            protocol.transport.close()

    run_both(main)


def _received(sock):
    try:
        return sock.recv(100)
    except BlockingIOError:
        return None


@pytest.mark.parametrize("host", ["localhost", "", "127.0.0.1"], ids=["name", "empty", "number"])
@pytest.mark.parametrize("full", [0, 1], ids=["free", "full"])
def test_a_destination_is_the_same_whether_or_not_the_socket_is_full(run_both, host, full):
    """qualisys 31, aiosip 103; what "" is, the socket module says."""

    async def main():
        receiver, sender = await endpoint(), await endpoint(sock=full_socket(full))
        address = host, receiver.address[1]
        with plain_socket() as plain:
            try:
                plain.sendto(b"hello", address)
                expected: Any = b"hello"
            except OSError as exc:
                expected = exc.winerror
        await asyncio.sleep(0.05)
        receiver.calls.clear()
        sender.transport.sendto(b"hello", address)
        await until(lambda: receiver.heard or sender.errors)
        for each in (receiver, sender):
            each.transport.close()
        found = receiver.heard or [exc.winerror for exc in sender.errors]
        assert found == [expected]

    run_both(main)


def test_an_empty_datagram_is_traffic(run):
    async def main():
        protocol = await endpoint()
        await hears(protocol, b"one")
        before = protocol.transport.heard, protocol.transport.heard_bytes
        await hears(protocol, b"")
        after = protocol.transport.heard, protocol.transport.heard_bytes
        protocol.transport.close()
        return before, after

    assert run(main) == ((1, 3), (2, 3))


def test_rearming_after_two_errors_keeps_the_order(run):
    """It was 2, 3, 1, in 40 of 40."""

    async def main():
        for _ in range(20):
            protocol = await endpoint()
            await asyncio.sleep(0)
            for _ in range(2):
                protocol.transport.sendto(b"?", closed_address())
            send(protocol.address, b"1", b"2")
            protocol.transport.rearm()
            await hears(protocol, b"3")
            assert protocol.heard == [b"1", b"2", b"3"]
            assert [exc.winerror for exc in protocol.errors] == [10054, 10054]
            protocol.transport.close()

    run(main)


@only_on("3.12")  # the more of them at a time, the later is each
@pytest.mark.parametrize("connected", [False, True], ids=["unconnected", "connected"])
def test_a_time_out_costs_no_datagram_of_a_sender_in_step_with_it(run, connected):
    """45 % were lost, and 2 % on asyncio's own (multicast_expert 22).

    wait_for() itself may drop what is received in the turn of its time-out; on a busy machine more.
    """

    async def main():
        loop = asyncio.get_running_loop()
        heard: list[bytes] = []
        with plain_socket() as peer, plain_socket() as sock:
            sock.setblocking(False)
            if connected:
                sock.connect(peer.getsockname())

            async def speak():
                for number in range(100):
                    peer.sendto(b"%d" % number, sock.getsockname())
                    await asyncio.sleep(0.002)

            speaking = asyncio.ensure_future(speak())
            last = b"99"
            while heard[-1:] != [last]:
                with contextlib.suppress(asyncio.TimeoutError):
                    heard.append(await asyncio.wait_for(loop.sock_recv(sock, 100), 0.002))
            await speaking
        return heard

    heard = run(main)
    assert len(heard) > 50
    assert heard == sorted(heard, key=int)


LEFT_OPEN = """
import asyncio, gc, sys, warnings
warnings.simplefilter("ignore", ResourceWarning)
sys.stderr = sys.stdout
for make_loop in (asyncio.ProactorEventLoop, asyncio.SelectorEventLoop):
    loop = make_loop()
    for _ in range(2):
        loop.run_until_complete(
            loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        )
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()
    del loop
    gc.collect()
"""


def test_endpoints_left_open_at_exit_say_nothing():
    """gh-92841: on Python 3.8 and 3.9 close() was called in __del__, on a loop that is closed."""
    assert python("-c", LEFT_OPEN, plugin=True) == ""
