"""What a program may rely on with asyncio's own transports it may with ours, on Windows' loops."""

from __future__ import annotations

import asyncio
import collections
import socket
from typing import Any

import pytest
from like_asyncio import (
    NAME,
    a_burst_finds_room_in_a_queue_that_is_emptied_meanwhile,
    a_handler_finds_what_the_one_before_has_set,
    each_datagram_finds_the_next_future,
    each_is_called_in_its_own_context,
    ear,
    ear_of,
    no_handler_finds_what_another_has_set,
    one_that_is_watched_within_connection_made_hears_all,
    say,
)
from udp import only_on, plain_socket, until

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix.testing import lost_completion

pytestmark = only_on("3.8", "3.12", "3.13", "3.14", "3.15")


def test_each_protocol_is_called_in_the_context_that_its_endpoint_was_made_in(run_each):
    each_is_called_in_its_own_context(run_each)


def test_a_handler_finds_what_another_has_set_where_it_does_with_asyncios_own(run_each):
    if run_each.kind == "selector":
        a_handler_finds_what_the_one_before_has_set(run_each)
    else:
        no_handler_finds_what_another_has_set(run_each)


@pytest.mark.parametrize("run_each", ["stock", "repaired"], indirect=True)
def test_the_exception_handler_finds_what_the_handler_that_raised_has_set(run_each):
    found = []

    def fail(it):
        NAME.set(str(len(it.heard)))
        raise ValueError(it.heard[-1])

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: found.append(NAME.get()))
        heard = await ear(fail)
        for number in range(1, 13):
            say(heard, 1)
            await until(lambda: len(found) == number)  # noqa: B023
        heard.transport.close()
        await asyncio.sleep(0.05)

    run_each(main)
    of_its_handle = hasattr(asyncio.Handle, "get_context")  # since 3.12
    assert found == [str(number) if of_its_handle else "nobody" for number in range(1, 13)]


def test_whoever_waits_for_the_loop_has_its_turn_before_the_next_datagram(run_each):
    a_burst_finds_room_in_a_queue_that_is_emptied_meanwhile(run_each)
    if run_each.kind != "stock":  # which reads the next one before that, on the Proactor
        each_datagram_finds_the_next_future(run_each)


def test_so_it_is_after_it_was_adopted_re_armed_and_rebound(run_each):
    seen: collections.Counter[str] = collections.Counter()

    async def main():
        heard = await ear_of("its own", seen)
        transport = heard.transport
        NAME.set("the watchdog's")
        settings = Settings(probe_after=0.2, probe_timeout=0.2, tick=0.05)
        async with Watchdog(transport, settings) as watchdog:
            say(heard, 3)
            await until(lambda: sum(seen.values()) == 3)
            with lost_completion(transport):
                await until(lambda: watchdog.status().endpoints[0].rearms)
            if run_each.kind == "repaired":
                await watchdog.rebind()
            say(heard, 200)
            await until(lambda: sum(seen.values()) > 100)
        transport.close()
        await asyncio.sleep(0.05)

    run_each(main)
    assert set(seen) == {"its own"}


def test_one_that_is_watched_within_connection_made_hears_no_probe_and_all_else(run_each):
    one_that_is_watched_within_connection_made_hears_all(run_each)


def test_one_that_has_received_since_install_is_adopted_and_hears(run_each):
    async def main():
        heard = await ear()
        transport = heard.transport
        tribler_udp_fix.install()
        try:
            say(heard, 3)
            await until(lambda: len(heard.heard) == 3)
            async with Watchdog(transport, Settings(probe_after=0.1)):
                await asyncio.sleep(0.3)
                say(heard, 3)
                await until(lambda: len(heard.heard) == 6)
        finally:
            transport.close()
            await asyncio.sleep(0.05)

    run_each(main)
    tribler_udp_fix.install(Settings())
    tribler_udp_fix.uninstall()


def test_nothing_is_heard_while_it_is_paused(repaired):
    # asyncio's own transports of datagrams can be paused since 3.12.
    async def main():
        heard = await ear(lambda it: len(it.heard) == 3 and it.transport.pause_reading())
        transport = heard.transport
        async with Watchdog(transport, Settings(probe_after=0.1, tick=0.05)) as watchdog:
            say(heard, 100)
            await asyncio.sleep(1)
            assert len(heard.heard) == 3
            (status,) = watchdog.status().endpoints
            assert (status.rearms, status.rebinds, status.probes["missed"]) == (0, 0, 0)
            transport.resume_reading()
            await until(lambda: len(heard.heard) == 100)
        transport.close()
        await asyncio.sleep(0.05)

    loop = asyncio.SelectorEventLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()


def test_a_memoryview_in_pieces_is_sent_as_bytes(repaired, run):
    async def main():
        heard = await ear()
        transport = heard.transport
        transport.sendto(memoryview(b"hxexaxrxdx")[::2], transport.get_extra_info("sockname"))
        await until(lambda: heard.heard or heard.errors)
        assert (heard.heard, heard.errors) == ([b"heard"], [])
        transport.close()
        await asyncio.sleep(0.05)

    run(main)


def test_what_a_wait_failed_of_is_not_the_next_sockets(repaired, run):
    async def main():
        heard = await ear()
        transport = heard.transport
        await asyncio.sleep(0.1)
        address = transport.get_extra_info("sockname")
        transport._read_fut.set_exception(OSError(0, "the handle is no more", None, 6))
        transport.suspend(10)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(address)
        transport.resume(sock)
        say(heard, 1)
        await until(lambda: heard.heard)
        assert not transport.is_closing()
        transport.close()
        await asyncio.sleep(0.05)

    run(main)


def test_where_no_wait_can_be_posted_sock_recvfrom_leaves_the_loop_to_others(
    repaired, run, monkeypatch
):
    from tribler_udp_fix._asyncio import _receive

    def no_room(*_: Any) -> Any:
        raise OSError(0, "no room in the system", None, 10055)

    async def main():
        loop: Any = asyncio.get_running_loop()
        if not hasattr(loop, "sock_recvfrom"):
            pytest.skip("loop.sock_recvfrom() came with 3.11")
        with plain_socket() as sock, plain_socket() as peer:
            sock.setblocking(False)
            with monkeypatch.context() as patch:
                patch.setattr(_receive, "peek", no_room)
                waiting = asyncio.ensure_future(loop.sock_recvfrom(sock, 100))
                await asyncio.sleep(0.3)
                assert not waiting.done()
            peer.sendto(b"heard", sock.getsockname())
            assert (await asyncio.wait_for(waiting, 5))[0] == b"heard"

    run(main)
