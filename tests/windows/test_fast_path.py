"""The fast path: what waits is received in one turn of the loop, but no more than its share."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from typing import Any

import pytest
from udp import (
    Recorder,
    closed_address,
    endpoint,
    fail_receive,
    needs_lab,
    plain_socket,
    send,
    until,
)

import tribler_udp_fix

ONE_AT_A_TIME = tribler_udp_fix.Settings(fast_path=False)


class Turns:
    """Counts the turns of the loop, without anybody that waits for one."""

    def __init__(self) -> None:
        self.count = 0
        loop: Any = asyncio.get_running_loop()
        self._loop, self._turn = loop, loop._run_once
        loop._run_once = self._run_once

    def _run_once(self) -> None:
        self.count += 1
        self._turn()

    def stop(self) -> None:
        del self._loop._run_once


async def heard_by_turn(datagrams: int, slowness: float = 0.0) -> tuple[Any, list[int]]:
    """The protocol that met so many waiting *datagrams*, and the turn in which it heard each.

    It takes *slowness* seconds for each of them.
    """

    class Dated(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            dates.append(turns.count)
            time.sleep(slowness)
            if len(dates) == datagrams:
                all_heard.set_result(None)

    dates: list[int] = []
    all_heard = asyncio.get_running_loop().create_future()
    protocol = await endpoint(protocol=Dated)
    await asyncio.sleep(0.05)
    turns = Turns()
    send(protocol.address, *(b"%d" % number for number in range(datagrams)))
    time.sleep(0.05)
    await asyncio.wait_for(all_heard, 10)  # until() asks in each turn, and would have it
    turns.stop()
    protocol.transport.close()
    assert protocol.heard == [b"%d" % number for number in range(datagrams)]
    return protocol, dates


def most_in_a_turn(dates: list[int]) -> int:
    return max(dates.count(date) for date in set(dates))


def test_a_datagram_has_left_when_sendto_returns(run, family):
    async def main():
        sender = await endpoint(family)
        sender.transport.set_write_buffer_limits(high=0)
        with plain_socket(family) as peer:
            peer.settimeout(5)
            for data in (b"first", b"second"):
                sender.transport.sendto(data, peer.getsockname())
                assert sender.transport.get_write_buffer_size() == 0
                assert peer.recv(100) == data  # no turn of the loop in between
        sender.transport.close()
        return sender

    assert run(main).all("paused") == []


@pytest.fixture
def patience(monkeypatch):
    """However slow the machine is, a transport's share of a turn does not end by its time."""
    monkeypatch.setattr("tribler_udp_fix._asyncio._turns.SHARE", 60.0)


def test_what_waits_is_heard_in_few_turns_and_in_order(run, patience):
    _, dates = run(lambda: heard_by_turn(30))
    assert len(set(dates)) <= 3


def test_a_flood_leaves_each_turn_of_the_loop_to_others_too(run):
    _, dates = run(lambda: heard_by_turn(500))
    assert most_in_a_turn(dates) <= 128


def test_a_slow_protocol_has_its_share_in_time_not_in_datagrams(run):
    _, dates = run(lambda: heard_by_turn(30, slowness=0.01))
    assert most_in_a_turn(dates) <= 2


def test_without_the_fast_path_a_turn_has_one_datagram(run):
    tribler_udp_fix.install(ONE_AT_A_TIME)
    _, dates = run(lambda: heard_by_turn(30))
    assert most_in_a_turn(dates) == 1


def test_endpoints_that_are_flooded_at_once_take_turns(run):
    async def main():
        order: list[int] = []

        def numbered(number):
            class Numbered(Recorder):
                def datagram_received(self, data, addr):
                    order.append(number)

            return Numbered

        endpoints = [await endpoint(protocol=numbered(number)) for number in range(3)]
        await asyncio.sleep(0.05)
        for each in endpoints:
            send(each.address, *(b"x" for _ in range(300)))
        await until(lambda: len(order) == 900)
        for each in endpoints:
            each.transport.close()
        return order

    order = run(main)
    last = [len(order) - order[::-1].index(number) for number in range(3)]
    for number in range(3):
        assert order.index(number) < min(last)  # nobody is through before the others have begun


def test_a_protocol_that_closes_in_the_middle_hears_no_more(run):
    class Enough(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"5":
                getattr(self.transport, self.end)()

        end = "close"

    class EnoughAtOnce(Enough):
        end = "abort"

    async def main(kind):
        protocol = await endpoint(protocol=kind)
        await asyncio.sleep(0.05)
        send(protocol.address, *(b"%d" % number for number in range(20)))
        await until(lambda: protocol.lost)
        await asyncio.sleep(0.05)
        return protocol

    for kind in (Enough, EnoughAtOnce):
        protocol = run(lambda: main(kind))  # noqa: B023
        assert protocol.heard == [b"%d" % number for number in range(6)]
        assert protocol.lost == [None]
        assert not protocol.transport.reading
    assert run.failures == []


def test_a_protocol_that_raises_in_the_middle_loses_nothing(run):
    class Clumsy(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if int(data) % 3 == 0:
                raise LookupError(data)

    async def main():
        protocol = await endpoint(protocol=Clumsy)
        await asyncio.sleep(0.05)
        send(protocol.address, *(b"%d" % number for number in range(60)))
        await until(lambda: len(protocol.heard) == 60)
        protocol.transport.close()
        return protocol

    assert run(main).heard == [b"%d" % number for number in range(60)]
    assert len(run.failures) == 20


def test_a_protocol_that_ends_the_program_in_the_middle_loses_nothing(repaired):
    class Ends(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"5":
                raise SystemExit

    loop: Any = asyncio.ProactorEventLoop()
    protocol = loop.run_until_complete(endpoint(protocol=Ends))
    loop.run_until_complete(asyncio.sleep(0.05))
    send(protocol.address, *(b"%d" % number for number in range(20)))
    with pytest.raises(SystemExit):
        loop.run_until_complete(asyncio.sleep(5))
    loop.run_until_complete(asyncio.sleep(0.2))
    assert protocol.heard == [b"%d" % number for number in range(20)]
    protocol.transport.close()
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()


def test_a_protocol_that_is_replaced_in_the_middle_leaves_the_rest_to_the_next(run):
    class Hands(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"5":
                self.transport.set_protocol(heir)

    heir = Recorder()

    async def main():
        protocol = await endpoint(protocol=Hands)
        await asyncio.sleep(0.05)
        send(protocol.address, *(b"%d" % number for number in range(10)))
        await until(lambda: len(heir.heard) == 4)
        protocol.transport.close()
        await asyncio.sleep(0.05)
        return protocol

    assert run(main).heard == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert heir.heard == [b"6", b"7", b"8", b"9"]


def test_rearming_in_the_middle_changes_nothing(run):
    class Meddles(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            assert self.transport.reading
            self.transport.rearm()

    async def main():
        protocol = await endpoint(protocol=Meddles)
        await asyncio.sleep(0.05)
        send(protocol.address, *(b"%d" % number for number in range(100)))
        await until(lambda: len(protocol.heard) == 100)
        protocol.transport.close()
        return protocol

    assert run(main).heard == [b"%d" % number for number in range(100)]
    assert run.failures == []


@needs_lab
def test_errors_among_datagrams_are_reported_where_they_came(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        for number in range(20):
            send(protocol.address, b"%d" % number)
            fail_receive(protocol.address, 0xC000023D)  # STATUS_HOST_UNREACHABLE
        time.sleep(0.05)
        await until(lambda: len(protocol.errors) == 20)
        await until(lambda: len(protocol.heard) == 20)
        protocol.transport.close()
        return protocol

    protocol = run(main)
    assert [exc.winerror for exc in protocol.errors] == [10065] * 20
    assert [name for name, _ in protocol.calls][1:41] == ["heard", "error"] * 20


def test_errors_that_wait_are_met_in_few_turns(run, patience):
    class Dated(Recorder):
        def error_received(self, exc):
            super().error_received(exc)
            dates.append(turns.count)

    dates: list[int] = []
    turns: Any = None

    async def main():
        nonlocal turns
        protocol = await endpoint(protocol=Dated)
        await asyncio.sleep(0.05)
        turns = Turns()
        for _ in range(30):
            protocol.transport.sendto(b"?", closed_address())
        time.sleep(0.05)
        await until(lambda: len(protocol.errors) == 30)
        turns.stop()
        protocol.transport.close()
        return protocol

    assert {exc.winerror for exc in run(main).errors} == {10054}
    assert len(set(dates)) <= 3


def test_an_endpoint_at_rest_holds_room_for_no_datagram(run):
    async def main():
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            endpoints = [await endpoint() for _ in range(20)]
            await asyncio.sleep(0.05)
            each = (tracemalloc.get_traced_memory()[0] - before) / 20
        finally:
            tracemalloc.stop()
        for made in endpoints:
            made.transport.close()
        return each

    assert run(main) < 8_000  # asyncio itself asks for 262,144


def test_every_receive_has_room_for_the_largest_datagram(run):
    async def main():
        protocol = await endpoint()
        await asyncio.sleep(0.05)
        sock = plain_socket()
        sock.sendto(bytes(65_507), protocol.address)
        await until(lambda: protocol.heard == [bytes(65_507)])
        for _ in range(3):  # to those that are met by a look too
            sock.sendto(bytes(65_507), protocol.address)
        sock.close()
        await until(lambda: protocol.heard == [bytes(65_507)] * 4)
        protocol.transport.close()
        return protocol

    assert run(main).errors == []


def test_a_socket_that_blocks_keeps_no_loop_waiting(run):
    async def main():
        sock = plain_socket()
        sock.setblocking(False)
        protocol = await endpoint(sock=sock)
        await asyncio.sleep(0.05)
        sock.settimeout(30)
        start = time.monotonic()
        for data in (b"one", b"two", b"three"):
            send(protocol.address, data)
            await until(lambda: protocol.heard[-1:] == [data])  # noqa: B023
        protocol.transport.sendto(b"four", protocol.address)
        await until(lambda: protocol.heard[-1] == b"four")
        protocol.transport.close()
        return time.monotonic() - start

    assert run(main) < 10


def test_endpoints_that_exist_keep_their_way_when_the_setting_changes(run):
    async def main():
        fast = await endpoint()
        tribler_udp_fix.install(ONE_AT_A_TIME)
        slow = await endpoint()
        assert (fast.transport._fast, slow.transport._fast) == (True, False)
        for each in (fast, slow):
            send(each.address, b"heard")
            await until(lambda: each.heard == [b"heard"])  # noqa: B023
            each.transport.close()

    run(main)


def test_a_connected_endpoint_drains_too(run):
    async def main():
        with plain_socket() as peer:
            protocol = await endpoint(remote_addr=peer.getsockname())
            await asyncio.sleep(0.05)
            for number in range(200):
                peer.sendto(b"%d" % number, protocol.address)
            await until(lambda: len(protocol.heard) == 200)
            for number in range(20):
                protocol.transport.sendto(b"%d" % number)
            peer.settimeout(5)
            assert [peer.recv(100) for _ in range(20)] == [b"%d" % n for n in range(20)]
        protocol.transport.close()
        return protocol

    assert run(main).heard == [b"%d" % number for number in range(200)]
