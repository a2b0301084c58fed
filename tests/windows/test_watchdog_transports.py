"""The watchdog on plain datagram transports, watched by hand or because of the setting `watch`."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import socket
import weakref
from typing import Any

import pytest
from next_sockets import (
    NONE,
    a_next_socket_that_is_none_costs_nobody_the_old_one,
    a_watchdog_on_another_loop_is_refused,
    who_hears_nothing_and_gets_no_other_socket_says_why,
)
from udp import (
    LOOPBACK,
    Recorder,
    closed_address,
    endpoint,
    hears,
    only_on,
    plain_socket,
    send,
    until,
)
from watched import NEVER_QUIET, QUICK, new_endpoint

import tribler_udp_fix
from tribler_udp_fix import EventKind, Settings, Watchdog
from tribler_udp_fix._watchdog import _watchdog
from tribler_udp_fix.testing import dead_reader, lost_completion, taken_port

pytestmark = only_on("3.8", "3.12", "3.13", "3.14", "3.15", "3.16")


@pytest.fixture
def run_repaired(run_both):
    """Run on either loop as the plugin repairs it, which knows who made a socket."""
    _install()
    yield run_both
    tribler_udp_fix.install(Settings())
    tribler_udp_fix.uninstall()


def _install(**settings: Any) -> None:
    now = tribler_udp_fix.status()
    fast = now.settings.fast_path if now.installed else True
    tribler_udp_fix.install(dataclasses.replace(QUICK, fast_path=fast, **settings))


def _running() -> list[Any]:
    return [each for each in _watchdog.running if each.loop is asyncio.get_running_loop()]


def _endpoint(watchdog: Watchdog) -> Any:
    (found,) = watchdog.status().endpoints
    return found


@pytest.mark.parametrize("only", ["rearm", "rebind"])
def test_one_that_has_gone_deaf_hears_again_and_is_the_same_transport(run_repaired, family, only):
    async def main():
        server = await endpoint(family)
        before = server.transport, server.address
        async with Watchdog(server.transport, QUICK) as watchdog:
            with lost_completion(server.transport, until=only):
                await until(lambda: getattr(_endpoint(watchdog), only + "s"))
                await hears(server, b"anyone there?")
            assert _endpoint(watchdog).rebinds == (1 if only == "rebind" else 0)
        assert (server.transport, server.address) == before
        assert server.heard == [b"anyone there?"]  # and no probe
        assert not server.lost
        server.transport.close()

    run_repaired(main)


def test_a_dead_reader_is_found_before_any_probe(run_repaired):
    async def main():
        server = await endpoint()
        async with Watchdog(server.transport, NEVER_QUIET) as watchdog:
            with dead_reader(server.transport):
                await until(lambda: _endpoint(watchdog).rearms)
                await hears(server, b"anyone there?")
        server.transport.close()

    run_repaired(main)


def test_a_socket_that_was_closed_under_it_is_replaced_with_its_options(run):
    async def main():
        server = await endpoint()
        server.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_BROADCAST, 1
        )
        async with Watchdog(server.transport, QUICK) as watchdog:
            await asyncio.sleep(0.1)
            server.transport._sock.close()
            await until(lambda: _endpoint(watchdog).rebinds, 5)
            await hears(server, b"anyone there?")
            sock = server.transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        server.transport.close()

    run(main)


def test_what_is_sent_while_the_port_is_taken_waits_under_the_programs_flow_control(run_repaired):
    async def main():
        server, friend = await endpoint(), await endpoint()
        server.transport.set_write_buffer_limits(high=10)
        settings = dataclasses.replace(QUICK, gap_queue=3)
        async with Watchdog(server.transport, settings) as watchdog:
            with taken_port(server.transport) as theirs:
                rebind = asyncio.ensure_future(watchdog.rebind())
                await until(lambda: theirs.taken)
                for number in range(5):
                    server.transport.sendto(b"number %d" % number, friend.address)
                assert server.all("paused")
                assert server.transport.get_write_buffer_size() >= 3 * len(b"number 0")
                theirs.release()
                await rebind
                await until(lambda: len(friend.heard) == 3)
                assert _endpoint(watchdog).lost == 2
        assert friend.heard == [b"number 2", b"number 3", b"number 4"]  # the newest
        assert server.all("resumed")
        for each in (server, friend):
            each.transport.close()

    run_repaired(main)


@pytest.mark.parametrize("way", ["its own", "a maker"])
def test_a_socket_that_the_program_made_is_replaced_only_as_the_program_says(run_repaired, way):
    made = []

    def make() -> socket.socket:
        made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        return made[-1]

    async def main():
        server = await endpoint(sock=plain_socket())
        events: list[Any] = []
        sock = server.transport._sock
        maker = make if way == "a maker" else None
        async with Watchdog(server.transport, QUICK, events.append, maker) as watchdog:
            with lost_completion(server.transport, until="rebind"):
                if maker:
                    await until(lambda: _endpoint(watchdog).rebinds)
                    await hears(server, b"anyone there?")
                    assert server.transport._sock in made
                else:
                    with pytest.raises(RuntimeError, match="its program made the socket itself"):
                        await watchdog.rebind()
                    await until(lambda: _endpoint(watchdog).rearms > 1)
                    assert server.transport._sock is sock
                    assert not [e for e in events if e.kind is EventKind.REBOUND]
        server.transport.close()

    run_repaired(main)


def test_a_member_of_a_multicast_group_keeps_its_socket(run_repaired):
    async def main():
        server = await endpoint()
        group = socket.inet_aton("239.1.2.3") + socket.inet_aton(LOOPBACK[socket.AF_INET])
        server.transport.get_extra_info("socket").setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group
        )
        async with Watchdog(server.transport, QUICK) as watchdog:
            with pytest.raises(RuntimeError, match="has joined multicast groups"):
                await watchdog.rebind()
            with lost_completion(server.transport):
                await until(lambda: _endpoint(watchdog).rearms)
            await hears(server, b"anyone there?")
        server.transport.close()

    run_repaired(main)


def test_a_connected_one_is_not_probed_but_read_again(run_repaired):
    async def main():
        friend = await endpoint()
        client = await endpoint(remote_addr=friend.address)
        async with Watchdog(client.transport, QUICK) as watchdog:
            with lost_completion(client.transport):
                while not client.heard:  # what a lost reader reads is lost, too
                    friend.transport.sendto(b"hello", client.address)
                    await asyncio.sleep(0.05)
            assert _endpoint(watchdog).probes["sent"] == 0
            assert _endpoint(watchdog).rebinds == 0
        for each in (client, friend):
            each.transport.close()

    run_repaired(main)


def test_several_are_watched_at_once_each_on_its_own(run_repaired):
    async def main():
        servers = [await endpoint(), await endpoint(socket.AF_INET6)]
        async with Watchdog([each.transport for each in servers], QUICK) as watchdog:
            with lost_completion(servers[0].transport):
                await until(lambda: watchdog.status().endpoints[0].rearms)
            names = [each.endpoint for each in watchdog.status().endpoints]
            assert names == ["Recorder", "Recorder"]
            assert watchdog.status().endpoints[1].rearms == 0
            servers[0].transport.close()
            await until(lambda: len(watchdog.status().endpoints) == 1)
        servers[1].transport.close()

    run_repaired(main)


def test_a_stream_or_a_closed_transport_is_refused(run_both):
    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        stream, _ = await loop.create_connection(asyncio.Protocol, *address[:2])
        try:
            with pytest.raises(TypeError, match="cannot be watched"):
                Watchdog(stream)
        finally:
            stream.close()
        server.close()
        closed = await endpoint()
        closed.transport.close()
        with pytest.raises(ValueError, match="only an open transport"):
            Watchdog(closed.transport).start()

    run_both(main)


@pytest.fixture
def all_watched(run_repaired):
    _install(watch="all")
    return run_repaired


def test_whatever_asyncio_makes_is_watched_until_the_last_has_ended(all_watched):
    async def main():
        servers = [
            await endpoint(),
            await endpoint(socket.AF_INET6),
            await endpoint(sock=plain_socket()),
        ]
        await asyncio.sleep(0.05)
        (watchdog,) = tribler_udp_fix.status().watchdogs
        assert len(watchdog.endpoints) == 3
        with lost_completion(servers[0].transport, until="rebind"):
            await until(lambda: tribler_udp_fix.status().watchdogs[0].endpoints[0].rebinds)
            await hears(servers[0], b"anyone there?")
        for server in servers:
            assert not server.lost
            server.transport.close()
        await until(lambda: not tribler_udp_fix.status().watchdogs)
        again = await endpoint()
        await asyncio.sleep(0.05)
        assert len(tribler_udp_fix.status().watchdogs) == 1
        again.transport.close()
        await until(lambda: not tribler_udp_fix.status().watchdogs)
        return weakref.ref(asyncio.get_running_loop())

    loop = all_watched(main)
    gc.collect()
    assert loop() is None


def test_what_somebody_watches_by_hand_is_watched_once(all_watched):
    async def main():
        server, other = await endpoint(), await endpoint()
        await asyncio.sleep(0.05)
        async with Watchdog(server.transport, QUICK) as watchdog:
            counts = [len(each.endpoints) for each in tribler_udp_fix.status().watchdogs]
            assert counts == [1, 1]
            assert len(server.transport.keepers) == 1
            assert len(watchdog.status().endpoints) == 1
        for each in (server, other):
            each.transport.close()
        await until(lambda: not tribler_udp_fix.status().watchdogs)

    all_watched(main)


def test_an_endpoint_of_ipv8s_is_watched_as_such(all_watched):
    pytest.importorskip("ipv8.messaging.interfaces.udp.endpoint")

    async def main():
        made = new_endpoint()
        assert await made.open()
        await until(_running)
        (found,) = _running()
        found.probe(made)
        async with Watchdog(made, QUICK):
            assert len(_running()) == 1  # that one: whoever watches it by hand is the only one
        made.close()
        assert await made.open()
        await until(_running)
        made.close()
        await until(lambda: not _running())

    all_watched(main)


def test_a_client_that_has_sent_nothing_yet_is_rebound_to_any_port(run_repaired):
    async def main():
        client = await endpoint(family=socket.AF_INET)
        async with Watchdog(client.transport, NEVER_QUIET) as watchdog:
            await watchdog.rebind()
            port = client.transport.get_extra_info("sockname")[1]
            send(("127.0.0.1", port), b"anyone there?")
            await until(lambda: client.heard == [b"anyone there?"])
        client.transport.close()

    run_repaired(main)


def test_a_probe_on_its_way_when_the_watchdog_stops_is_not_the_protocols(run_repaired):
    async def main():
        server = await endpoint()
        async with Watchdog(server.transport, NEVER_QUIET) as watchdog:
            for _ in range(3):
                watchdog.probe()
        await hears(server, b"after the probes")
        assert server.heard == [b"after the probes"]
        assert server.transport._probes == ()
        server.transport.close()

    run_repaired(main)


def test_without_it_a_plain_transport_is_not_watched(run_both):
    async def main():
        server = await endpoint()
        await asyncio.sleep(0.1)
        assert tribler_udp_fix.status().watchdogs == ()
        assert server.transport.get_protocol() is server
        server.transport.close()

    run_both(main)


def test_one_that_is_watched_sends_to_a_peer_that_left_and_hears_on(all_watched):
    async def main():
        server = await endpoint(protocol=Recorder)
        for _ in range(20):
            server.transport.sendto(b"anyone?", closed_address())
        await hears(server, b"still here")
        server.transport.close()

    all_watched(main)


@pytest.mark.parametrize("which", NONE)
def test_a_next_socket_that_is_none_costs_nobody_the_old_one(run_repaired, which):
    run_repaired(lambda: a_next_socket_that_is_none_costs_nobody_the_old_one(which))


def test_who_hears_nothing_and_gets_no_other_socket_says_why(run_repaired):
    run_repaired(who_hears_nothing_and_gets_no_other_socket_says_why)


def test_a_watchdog_on_another_loop_is_refused(repaired):
    a_watchdog_on_another_loop_is_refused(asyncio.new_event_loop)
