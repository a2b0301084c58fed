"""What a watchdog does beside mending: what it tells, to whom, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any, Callable, Iterator

import pytest

import tribler_udp_fix
from tribler_udp_fix import Event, EventKind, PeerMonitor, Settings, Watchdog
from tribler_udp_fix._watchdog._events import listeners
from tribler_udp_fix._watchdog._transport_leaf import TransportLeaf
from tribler_udp_fix.testing import clock_jump, failing_sends, lost_completion, taken_port

if sys.platform == "win32":
    pytest.skip("it is the same there, and tests/windows tells", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from ipv8.messaging.interfaces.dispatcher.endpoint import DispatcherEndpoint
from ipv8.messaging.interfaces.endpoint import EndpointListener
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint
from ipv8.peerdiscovery.network import Network
from ipv8.test.mocking.endpoint import AutoMockEndpoint

HOUR = 3600.0


class Deaf(EndpointListener):  # type: ignore[misc]
    def on_packet(self, packet: Any) -> None:
        """Hear nothing."""


class Loop(asyncio.SelectorEventLoop):
    """Its clock goes on while the machine sleeps, as Windows' does."""

    slept = 0.0

    def time(self) -> float:
        return super().time() + self.slept


@pytest.fixture
def run() -> Iterator[Callable[[Any], None]]:
    tribler_udp_fix.install()
    loop: Any = Loop()
    loop.raised = []
    loop.set_exception_handler(lambda _, context: loop.raised.append(context))
    try:
        yield lambda main: loop.run_until_complete(main())
        assert loop.raised == []
    finally:
        loop.close()
        tribler_udp_fix.uninstall()


async def opened(endpoint: Any = None) -> Any:
    endpoint = endpoint or UDPEndpoint(0, "127.0.0.1")
    assert await endpoint.open()
    return endpoint


async def until(true: Callable[[], Any]) -> None:
    while not true():
        await asyncio.sleep(0.02)


def all_of(events: list[Event], kind: EventKind) -> list[Event]:
    return [event for event in events if event.kind is kind]


async def say(target: Any, times: int = 1) -> None:
    peer = await opened()
    for _ in range(times):
        peer.send(target.get_address(), b"a peer's datagram".ljust(40))
        await asyncio.sleep(0.1)
    peer.close()


def test_after_sleep_nobody_is_told_that_no_peer_was_heard_while_the_machine_slept(run):
    async def main():
        endpoint = await opened()
        events: list[Event] = []
        settings = Settings(no_peer_minutes=0.1, tick=0.05)
        async with Watchdog(endpoint, settings, events.append):
            await say(endpoint)
            loop: Any = asyncio.get_running_loop()
            loop.slept += 8 * HOUR
            with clock_jump(8 * HOUR):
                await until(lambda: all_of(events, EventKind.RESUMED))
                await asyncio.sleep(1)
            assert not all_of(events, EventKind.NO_PEER)
            # But who stays without one is told, when that has lasted.
            await until(lambda: all_of(events, EventKind.NO_PEER))
        endpoint.close()

    run(main)


def test_without_ipv6_beyond_the_machine_nobody_is_told_of_it_while_ipv4_hears_peers(run):
    async def main():
        events: list[Event] = []
        both = DispatcherEndpoint(
            ["UDPIPv4", "UDPIPv6"],
            UDPIPv4={"ip": "127.0.0.1", "port": 0},
            UDPIPv6={"ip": "::1", "port": 0},
        )
        await both.open()
        four = both.interfaces["UDPIPv4"]
        settings = Settings(no_peer_minutes=0.1, probe_after=1.0, tick=0.05)
        async with Watchdog(both, settings, events.append):
            await say(four, 80)
            assert not all_of(events, EventKind.NO_PEER)
            # Where IPv4 hears none either, both are told of.
            await until(lambda: len(all_of(events, EventKind.NO_PEER)) == 2)
        await both.close()

    run(main)


def test_who_closes_an_endpoint_that_could_not_send_is_not_told_that_it_sends_again(run):
    async def main():
        endpoint = await opened()
        events: list[Event] = []
        async with Watchdog(endpoint, Settings(tick=0.05), events.append) as watchdog:
            with failing_sends(endpoint, 10013):
                while not all_of(events, EventKind.CANNOT_SEND):
                    endpoint.send(("127.0.0.1", 9), b"x")
                    await asyncio.sleep(0.2)
                endpoint.close()
                await until(lambda: watchdog.status().endpoints[0].state == "unknown")
                await opened(endpoint)
                await until(lambda: watchdog.status().endpoints[0].state == "healthy")
                assert watchdog.status().endpoints[0].condition == ""
                await asyncio.sleep(0.2)
            assert not all_of(events, EventKind.SENDS_AGAIN)
        endpoint.close()

    run(main)


def test_the_end_of_a_transport_is_no_news(run):
    async def main():
        heard: list[Event] = []
        listeners.append(heard.append)
        loop = asyncio.get_running_loop()
        transport: Any
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        async with Watchdog(transport, Settings(tick=0.05)) as watchdog:
            transport.close()
            await until(lambda: heard)
            assert watchdog.status().history == ()
        listeners.remove(heard.append)

    run(main)


def test_status_from_another_thread_touches_no_transport(run, monkeypatch):
    entered: list[str] = []
    enter = TransportLeaf._enter

    def noted(self: TransportLeaf, transport: Any) -> None:
        entered.append(threading.current_thread().name)
        enter(self, transport)

    monkeypatch.setattr(TransportLeaf, "_enter", noted)

    async def main():
        endpoint = await opened()
        async with Watchdog(endpoint, Settings(tick=5.0)):
            await asyncio.sleep(0.1)
            endpoint.close()
            await opened(endpoint)
            asker = threading.Thread(target=tribler_udp_fix.status, name="asker")
            asker.start()
            asker.join()
        assert "asker" not in entered
        endpoint.close()

    run(main)


def test_an_address_that_goes_while_the_program_ends_raises_nothing_in_its_loop(run):
    async def main():
        endpoint = await opened()
        listener = Deaf(endpoint)
        listener._my_estimated_lan = ("10.9.9.9", 1)
        endpoint._listeners.append(listener)
        loop = asyncio.get_running_loop()
        async with Watchdog(endpoint) as watchdog:
            assert watchdog._around
            await loop.shutdown_default_executor()  # as asyncio.run() does at its end
            loop.call_soon(watchdog._around.address_changed, "10.9.9.9", False)
            await asyncio.sleep(0.1)
        endpoint._listeners.remove(listener)
        endpoint.close()

    run(main)


def test_an_endpoint_that_raises_keeps_nobody_from_looking_at_the_next(run):
    async def main():
        first, second = await opened(), await opened()
        async with Watchdog([first, second], Settings(tick=0.05)) as watchdog:

            def heard() -> int:
                raise RuntimeError("already borrowed")

            watchdog._watches[0].hearing._counter = heard
            await say(second)
            await until(lambda: watchdog.status().endpoints[1].last_heard_from_peer)
        first.close()
        second.close()

    run(main)


def test_what_is_added_and_unknown_is_named(run):
    async def main():
        endpoint, other = await opened(), AutoMockEndpoint()
        other.open()
        async with Watchdog(endpoint) as watchdog:
            watchdog.add(other)
            assert watchdog.status().unwatched == ("AutoMockEndpoint",)
        endpoint.close()

    run(main)


def test_a_probe_that_never_comes_leaves_no_trace(run, monkeypatch):
    monkeypatch.setattr("tribler_udp_fix._watchdog._probe.LINGER", 0.2)

    async def main():
        loop = asyncio.get_running_loop()
        transport: Any
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        with lost_completion(transport, until="rebind"):
            async with Watchdog(transport, Settings(probe_after=0.1, probe_misses=100)):
                await until(lambda: transport._probes)
            assert transport._probes  # one may still be on its way
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(until(lambda: not transport._probes), 5)
            assert transport._probes == ()
        transport.close()

    run(main)


def test_a_port_that_has_just_failed_does_not_fail_twice(run):
    async def main():
        endpoint = await opened()
        events: list[Event] = []
        port = endpoint.get_address()[1]
        settings = Settings(allow_port_change="after 2 failures", tick=0.05)
        loop = asyncio.get_running_loop()
        async with Watchdog(endpoint, settings, events.append) as watchdog:
            with taken_port(endpoint):
                began = loop.time()
                await watchdog.rebind()
                await until(lambda: endpoint.get_address()[1] != port)
            assert loop.time() - began > 0.5  # it is tried anew before, about every 2 s
        endpoint.close()

    run(main)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets two sockets have one port so")
def test_a_child_that_holds_the_socket_keeps_its_port_from_no_rebind(run):
    async def main():
        endpoint = await opened()
        host, port = endpoint.get_address()
        before = endpoint._transport.get_extra_info("socket")
        # As one that was forked does, for instance by multiprocessing: it reads nothing.
        child = subprocess.Popen(["sleep", "600"], pass_fds=[before.fileno()])
        try:
            async with Watchdog(endpoint, Settings(tick=0.05)) as watchdog:
                await watchdog.rebind()
                assert endpoint.get_address() == (host, port)
                healthy = until(lambda: watchdog.status().endpoints[0].state == "healthy")
                await asyncio.wait_for(healthy, 5)
                seen = endpoint.bytes_down
                await say(endpoint, 3)
                assert endpoint.bytes_down >= seen + 3 * 40
            # And nobody else may have the port.
            with socket.socket(type=socket.SOCK_DGRAM) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with pytest.raises(OSError, match="in use"):
                    other.bind((host, port))
        finally:
            child.kill()
            child.wait()
        endpoint.close()

    run(main)


def test_an_ipv6_endpoint_that_waits_for_its_address_has_an_ipv6_socket(run):
    async def main():
        from tribler_udp_fix._ipv8._opening import of_services

        endpoint = UDPv6Endpoint(8090, "2001:db8::1")
        of_services.add(endpoint)
        assert await endpoint.open()
        stands_in = endpoint._transport.get_extra_info("socket")
        assert stands_in.family == endpoint._transport.family
        endpoint.close()
        await asyncio.sleep(0.05)

    run(main)


@pytest.mark.parametrize("rebinds", [0, 12])
def test_one_that_is_opened_anew_without_a_socket_has_one_as_soon_as_it_can(run, rebinds):
    async def main():
        from tribler_udp_fix._ipv8._opening import of_services

        endpoint = UDPEndpoint(65_535, "127.0.0.1")  # there is no next port for pyipv8 to try
        of_services.add(endpoint)
        await opened(endpoint)
        settings = Settings(probe_after=1, tick=0.1, rebinds_per_hour=rebinds)
        async with Watchdog(endpoint, settings) as watchdog:
            await until(lambda: watchdog.status().endpoints[0].state == "healthy")
            endpoint.close()
            await asyncio.sleep(0.3)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.1", 65_535))
                assert await endpoint.open()
                await asyncio.sleep(1)
                assert not watchdog.status().endpoints[0].bound
            await until(lambda: watchdog.status().endpoints[0].state == "healthy")
            assert endpoint._transport.has_socket
            assert watchdog._watches[0].policy.may_rebind(asyncio.get_running_loop().time()) is (
                rebinds > 0
            )
        endpoint.close()

    run(main)


def test_a_monitor_whose_loop_was_closed_starts_on_the_next(run):
    endpoint = UDPEndpoint(0, "127.0.0.1")
    ipv8 = SimpleNamespace(endpoint=endpoint, network=Network(), overlays=[])
    monitor = PeerMonitor(ipv8)

    async def first():
        await opened(endpoint)
        monitor.start()
        endpoint.close()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(first())
    loop.close()

    async def second():
        await opened(endpoint)
        monitor.start()
        assert monitor.loop is asyncio.get_running_loop()
        assert not monitor.is_over
        monitor.stop()
        endpoint.close()

    run(second)
