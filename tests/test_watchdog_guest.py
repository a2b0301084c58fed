"""A watchdog is a guest in its program: what it must leave as it is, and whom it must not call."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import socket
import sys
import threading
import time
import weakref
from typing import Any, Callable, Iterator

import pytest
from like_asyncio import ear, one_that_is_watched_within_connection_made_hears_all, say
from udp import until

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix._asyncio._counters import Counters
from tribler_udp_fix._watchdog import _probe
from tribler_udp_fix._watchdog._policy import State

if sys.platform == "win32":
    pytest.skip("these are of Linux; tests/windows has Windows' own", allow_module_level=True)

QUICK = Settings(probe_after=0.1, probe_timeout=0.1, tick=0.05, retry_cap=1)
NAME: contextvars.ContextVar[Any] = contextvars.ContextVar("NAME")


@pytest.fixture
def run() -> Iterator[Callable[[Any], None]]:
    tribler_udp_fix.install()
    loop = asyncio.new_event_loop()
    try:
        yield lambda main: loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()
        tribler_udp_fix.uninstall()


async def hears(listener: Any) -> None:
    before = len(listener.heard)
    say(listener, 1)
    await until(lambda: len(listener.heard) > before)


def status_of(watchdog: Watchdog) -> Any:
    (status,) = watchdog.status().endpoints
    return status


def test_a_port_that_its_user_may_not_have_again_is_not_given_up(run, monkeypatch):
    class Refusing(socket.socket):
        def bind(self, address: Any) -> None:
            if address[1]:  # as below 1024, once the privileges were dropped
                raise PermissionError(13, "Permission denied")
            super().bind(address)

    async def main():
        listener = await ear()
        before = listener.transport.get_extra_info("socket").fileno()
        async with Watchdog(listener.transport, QUICK) as watchdog:
            with monkeypatch.context() as patch:
                patch.setattr("tribler_udp_fix._asyncio._rebinding.socket.socket", Refusing)
                await watchdog.rebind()
            assert listener.transport.get_extra_info("socket").fileno() == before
            assert status_of(watchdog).rebinds == 0
            await hears(listener)
        listener.transport.close()

    run(main)


def test_a_socket_that_was_closed_under_it_is_replaced(run):
    async def main():
        listener = await ear()
        async with Watchdog(listener.transport, QUICK) as watchdog:
            await asyncio.sleep(0.2)
            listener.transport._sock.close()
            await until(lambda: watchdog.status().endpoints[0].rebinds)
            say(listener, 1)
            await until(lambda: listener.heard)
        listener.transport.close()

    run(main)


def test_an_option_that_the_next_socket_cannot_have_keeps_the_one_that_has_it(run):
    async def main():
        listener = await ear()
        view = listener.transport.get_extra_info("socket")
        view.options = {(1, 9999): (1, 9999, 1)}  # as a mark, once the privileges were dropped
        async with Watchdog(listener.transport, QUICK) as watchdog:
            await watchdog.rebind()
            assert status_of(watchdog).rebinds == 0
            assert listener.transport.get_extra_info("socket") is view
            await hears(listener)
        listener.transport.close()

    run(main)


def test_one_that_its_program_has_paused_is_not_rebound_and_hears_nothing(run):
    async def main():
        listener = await ear()
        await hears(listener)
        async with Watchdog(listener.transport, QUICK) as watchdog:
            listener.transport.pause_reading()
            say(listener, 5)
            await watchdog.rebind()
            await asyncio.sleep(0.3)
            assert len(listener.heard) == 1
            listener.transport.resume_reading()
            await until(lambda: len(listener.heard) == 6)
        listener.transport.close()

    run(main)


def test_what_a_rebind_took_over_waits_while_it_is_paused_and_comes_first_and_in_order(run):
    async def main():
        listener = await ear(lambda it: len(it.heard) == 3 and it.transport.pause_reading())
        transport = listener.transport
        async with Watchdog(transport, Settings(probe_after=60)) as watchdog:
            transport._loop.call_soon(say, listener, 8)
            await watchdog.rebind()
            say(listener, 2)
            await asyncio.sleep(0.2)
            assert len(listener.heard) == 3
            assert transport.reading
            transport.resume_reading()
            await until(lambda: len(listener.heard) == 10)
            numbers = [int(data) for data in listener.heard]
            assert numbers == [*range(8), 0, 1]
        transport.close()

    run(main)


def test_what_is_still_to_be_heard_of_the_old_socket_is_not_taken_for_deafness(run):
    async def main():
        listener = await ear()
        async with Watchdog(listener.transport, QUICK) as watchdog:
            (watch,) = watchdog._watches
            listener.transport.keep([(b"1", None), (b"2", None)])
            assert watch.leaf.is_behind()
            await until(lambda: listener.heard == [b"1", b"2"])
            assert not watch.leaf.is_behind()
        listener.transport.close()

    run(main)


def test_who_pauses_and_resumes_meanwhile_has_one_in_each_turn_and_who_closes_drops_the_rest(run):
    async def main():
        loop: Any = asyncio.get_running_loop()
        turn, turns = 0, []
        run_once = loop._run_once

        def counted() -> None:
            nonlocal turn
            turn += 1
            run_once()

        def hear(listener: Any) -> None:
            turns.append(turn)
            listener.transport.pause_reading()
            listener.transport.resume_reading()

        listener = await ear(hear)
        before = tribler_udp_fix.status().counters["datagrams_dropped"]
        listener.transport.keep([(b"%d" % number, None) for number in range(50)])
        loop._run_once = counted
        while len(turns) < 10:
            await asyncio.sleep(0)
        listener.transport.close()
        del loop._run_once
        left = 50 - len(turns)
        assert left > 30
        assert len(set(turns)) == len(turns)
        assert tribler_udp_fix.status().counters["datagrams_dropped"] - before == left
        await asyncio.sleep(0.05)
        assert len(listener.heard) == 50 - left

    run(main)


def test_who_is_refused_leaves_nothing_in_the_transport(run):
    async def main():
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        listener = await ear(local_addr=None, sock=sock)  # the program's own
        with pytest.raises(ValueError, match="bind_interface='lo' is not for"):
            Watchdog(listener.transport, bind_interface="lo").start()
        assert listener.transport.keepers == ()
        other = await ear()
        with pytest.raises(ValueError, match="bind_interface='lo' is not for"):
            Watchdog([other.transport, listener.transport], bind_interface="lo").start()
        assert other.transport.keepers == ()
        for each in (listener, other):
            each.transport.close()

    run(main)


def test_without_loopback_of_its_family_an_endpoint_at_every_address_is_not_gone(monkeypatch):
    def gone(target: Any) -> Any:
        raise _probe.AddressGone(target[0])

    monkeypatch.setattr(_probe, "_helper", gone)
    sender = _probe.ProbeSender()
    with pytest.raises(OSError, match="this machine has no ::1"):
        sender.send(("::", 1, 0, 0), b"probe")
    with pytest.raises(_probe.AddressGone):
        sender.send(("::1", 1, 0, 0), b"probe")


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that shares a port by this option")
def test_a_port_that_is_shared_by_so_reuseaddr_is_not_probed(run):
    def bound(port: int) -> socket.socket:
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.setblocking(False)
        return sock

    async def main():
        listener = await ear(local_addr=None, sock=bound(0))
        with bound(listener.address[1]) as other:
            async with Watchdog(listener.transport, QUICK) as watchdog:
                await until(lambda: status_of(watchdog).probes["unsent"] > 1)
                assert status_of(watchdog).probes["sent"] == 0
            with pytest.raises(BlockingIOError):
                other.recv(100)
        listener.transport.close()

    run(main)


def test_a_second_watchdog_ends_no_gap_that_it_will_heal(run):
    tribler_udp_fix.install(Settings(watch="all", probe_after=0.1, tick=0.05, retry_cap=1))

    async def main():
        listener = await ear()
        await asyncio.sleep(0.1)
        address = listener.address
        with socket.socket(type=socket.SOCK_DGRAM) as thief:
            listener.transport._lose(OSError(9, "died"))
            thief.bind(address)
            await asyncio.sleep(0.3)
            watchdog = Watchdog(listener.transport, QUICK)
            watchdog.start()
            await asyncio.sleep(0.1)
        await until(lambda: listener.transport.has_socket)
        await hears(listener)
        await watchdog.stop()
        listener.transport.close()

    run(main)


def test_one_that_is_watched_within_connection_made_hears_no_probe_and_all_else():
    one_that_is_watched_within_connection_made_hears_all(lambda main: asyncio.run(main()))


def test_a_client_is_probed_as_soon_as_a_send_has_bound_it(run):
    async def main():
        loop = asyncio.get_running_loop()
        client, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, family=socket.AF_INET
        )
        async with Watchdog(client, QUICK) as watchdog:
            await asyncio.sleep(0.3)
            assert status_of(watchdog).probes["sent"] == 0
            client.sendto(b"hello", ("127.0.0.1", 9))
            await until(lambda: status_of(watchdog).probes["answered"] > 1)
        client.close()

    run(main)


def test_the_context_that_an_endpoint_is_made_in_is_not_kept_by_its_watchdog(run):
    class Value:
        """What a program keeps in a context, for as long as a request takes."""

    tribler_udp_fix.install(Settings(watch="all"))

    async def made() -> tuple[Any, weakref.ref[Value]]:
        value = Value()
        NAME.set(value)
        listener = await ear()
        await asyncio.sleep(0.05)
        return listener, weakref.ref(value)

    async def main():
        first, value = await asyncio.ensure_future(made())
        second = await ear()
        await asyncio.sleep(0.05)
        first.transport.close()
        await asyncio.sleep(1)
        del first
        gc.collect()
        assert value() is None
        second.transport.close()

    run(main)


def test_whose_share_of_the_loop_is_still_to_come_is_not_taken_for_deaf(run):
    async def main():
        listener = await ear()
        async with Watchdog(listener.transport, QUICK) as watchdog:
            (watch,) = watchdog._watches
            assert not watch.leaf.is_behind()
            listener.transport._turns.enter(listener.transport)
            assert watch.leaf.is_behind()
            watch._probed_at = watch.policy.deadline = watch._loop.time()
            watch.policy.state = State.QUIET
            watch._sent = True
            watch._time_is_up(watch.policy.deadline)
            assert (watch.policy.state, watch.missed) == (State.UNKNOWN, 0)
            await hears(listener)
        listener.transport.close()

    run(main)


def test_a_new_socket_that_is_flooded_is_proved_by_what_it_hears(run):
    async def main():
        listener = await ear(lambda _: time.sleep(0.001))  # each probe finds a full buffer
        stop = threading.Event()

        def flood() -> None:
            with socket.socket(type=socket.SOCK_DGRAM) as sock:
                while not stop.is_set():
                    sock.sendto(b"x" * 100, listener.address)

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            await asyncio.sleep(0.5)
            settings = Settings(probe_after=60, probe_timeout=0.2, tick=0.05)
            async with Watchdog(listener.transport, settings) as watchdog:
                await asyncio.wait_for(watchdog.rebind(), 10)
                assert status_of(watchdog).rebinds == 1
                assert status_of(watchdog).state == "healthy"
        finally:
            stop.set()
            flooding.join()
        listener.transport.close()

    run(main)


def test_thousands_that_are_closed_at_once_are_let_go_at_once(run, monkeypatch):
    dropped: list[int] = []
    drop = Watchdog._drop

    def counted(watchdog: Watchdog, gone: list[Any]) -> None:
        dropped.append(len(gone))
        drop(watchdog, gone)

    async def main():
        listeners = [await ear() for _ in range(3)]
        transports = [each.transport for each in listeners]
        async with Watchdog(transports, QUICK) as watchdog:
            monkeypatch.setattr(Watchdog, "_drop", counted)
            for transport in transports:
                transport.close()
            await until(lambda: not watchdog.status().endpoints)
            assert dropped == [3]

    run(main)


def test_whoever_counts_while_it_counts_does_not_wait_for_itself():
    counters = Counters()

    def handler() -> None:  # of a signal that comes just then
        with counters._lock:
            counters.add("signals")

    thread = threading.Thread(target=handler, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert counters.as_dict()["signals"] == 1
