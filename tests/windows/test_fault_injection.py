"""The injected faults, with no watchdog about: each does what it says, and ends without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from functools import partial
from typing import Any, Callable

import pytest
from conftest import _runner
from udp import LOOPBACK, Recorder, endpoint, plain_socket, send, until

import tribler_udp_fix
from tribler_udp_fix import testing

Run = Callable[[Callable[[], Any]], Any]
SILENCE = 0.3  # seconds in which whatever is to be heard has been heard

ipv8 = pytest.mark.parametrize("kind", ["plain", "ipv8"])


@pytest.fixture(params=["stock", "repaired", "selector"])
def run_each(request: pytest.FixtureRequest) -> Any:
    """Run on the Proactor as CPython made it, on the repaired one, and on SelectorEventLoop."""
    assert sys.platform == "win32"
    if request.param == "repaired":
        request.getfixturevalue("repaired")
    loop = asyncio.SelectorEventLoop if request.param == "selector" else asyncio.ProactorEventLoop
    run = _runner(loop)
    run.kind = request.param  # type: ignore[attr-defined]
    return run


class Subject:
    """What a fault is injected into, an IPv8 endpoint or a plain transport, and what it heard."""

    def __init__(self, target: Any, heard: list[bytes], errors: list[Any]) -> None:
        self.target = target
        self.heard = heard
        self.errors = errors

    @property
    def transport(self) -> Any:
        return getattr(self.target, "_transport", self.target)

    @property
    def address(self) -> Any:
        return self.transport.get_extra_info("socket").getsockname()

    def state(self) -> list[Any]:
        """What a fault may change and has to restore."""
        transport = self.transport
        sock = transport.get_extra_info("socket")._sock
        return [type(sock), transport._loop, transport.get_protocol(), type(transport)]

    async def hears(self, *datagrams: bytes) -> None:
        send(self.address, *datagrams)
        await until(lambda: self.heard[-1:] == [datagrams[-1]])

    async def is_deaf_to(self, *datagrams: bytes) -> None:
        """Fail when it hears anything, raises, or does not look open."""
        before, errors = list(self.heard), list(self.errors)
        send(self.address, *datagrams)
        await asyncio.sleep(SILENCE)
        assert self.heard == before
        assert self.errors == errors
        assert not self.transport.is_closing()
        assert self.target is self.transport or self.target.is_open()

    def close(self) -> None:
        self.target.close()


async def subject(kind: str, family: int = socket.AF_INET) -> Subject:
    if kind == "plain":
        protocol = await endpoint(family)
        made = Subject(protocol.transport, [], [])
        protocol.datagram_received = lambda data, _: made.heard.append(data)
        protocol.error_received = made.errors.append
        return made
    from ipv8.messaging.interfaces.endpoint import EndpointListener
    from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint

    cls = UDPEndpoint if family == socket.AF_INET else UDPv6Endpoint
    target = cls(port=0, ip=LOOPBACK[family])
    made = Subject(target, [], [])

    class Listener(EndpointListener):  # type: ignore[misc]
        def on_packet(self, packet: Any) -> None:
            made.heard.append(packet[1])

    target.error_received = made.errors.append
    assert await target.open()
    target.add_listener(Listener(target))
    return made


def reached(things: list[Any], count: int) -> bool:
    return len(things) == count


def raised(handler: testing.RaisingHandler, count: int) -> bool:
    return handler.count == count


def armed(transport: Any) -> bool:
    from tribler_udp_fix._watchdog._reader import Reading, reading_of

    return reading_of(transport) is Reading.ARMED


def rearm(transport: Any) -> None:
    from tribler_udp_fix._watchdog._reader import rearm

    assert rearm(transport)


@ipv8
@pytest.mark.parametrize("how", ["rearm", "rebind"])
def test_an_endpoint_with_a_lost_completion_is_deaf_and_looks_armed(run_each, kind, family, how):
    async def main():
        made = await subject(kind, family)
        await made.hears(b"before")
        state = made.state()
        with testing.lost_completion(made.target, until=how):
            for data in (b"one", b"two"):
                await made.is_deaf_to(data)
                assert armed(made.transport)
        assert made.state() == state
        await made.hears(b"after")
        lost = run_each.kind == "selector"
        assert made.heard == [b"before", *([] if lost else [b"one", b"two"]), b"after"]
        made.close()

    run_each(main)
    assert run_each.failures == []


@ipv8
def test_an_endpoint_with_a_lost_completion_is_repaired_by_rearming(run_each, kind):
    async def main():
        made = await subject(kind)
        with testing.lost_completion(made.target):
            await made.is_deaf_to(b"lost")
            rearm(made.transport)
            await made.hears(b"one", b"two")
        await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


@ipv8
def test_a_socket_that_only_a_rebind_helps_stays_deaf_when_rearmed(run_each, kind):
    async def main():
        made = await subject(kind)
        with testing.lost_completion(made.target, until="rebind"):
            await made.is_deaf_to(b"lost")
            for _ in range(3):
                rearm(made.transport)
                await made.is_deaf_to(b"lost, too")
                assert armed(made.transport)
        await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_a_completion_is_lost_that_was_on_its_way_when_the_fault_began(run_each):
    async def main():
        made = await subject("plain")
        for number in range(5):
            send(made.address, b"%d" % number)
            time.sleep(0.05)  # it arrives while the loop is busy
            with testing.lost_completion(made.target):
                await asyncio.sleep(SILENCE)
                before = len(made.heard)
                await made.is_deaf_to(b"lost")
                assert len(made.heard) == before
                assert armed(made.transport)
            await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_two_faults_of_one_endpoint_end_in_any_order(run_each):
    async def main():
        made = await subject("plain")
        state = made.state()
        first = testing.lost_completion(made.target, until="rebind")
        second = testing.failing_sends(made.target, 10065)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        await made.hears(b"one")
        made.transport.sendto(b"?", made.address)
        await until(lambda: len(made.errors) == 1)
        second.__exit__(None, None, None)
        assert made.state() == state
        await made.hears(b"two")
        made.close()

    run_each(main)
    assert run_each.failures == []


@ipv8
def test_an_endpoint_whose_reader_died_is_deaf_until_it_is_rearmed(run_each, kind, family):
    async def main():
        made = await subject(kind, family)
        await made.hears(b"before")
        state = made.state()
        with testing.dead_reader(made.target):
            await made.is_deaf_to(b"waits")
            assert not armed(made.transport)
            rearm(made.transport)
            await until(lambda: made.heard == [b"before", b"waits"])
        assert made.state() == state
        await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


@ipv8
def test_an_endpoint_whose_reader_died_hears_again_at_the_end(run_each, kind):
    async def main():
        made = await subject(kind)
        with testing.dead_reader(made.target):
            await made.is_deaf_to(b"waits")
        await until(lambda: made.heard == [b"waits"])
        await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_a_reader_dies_whose_outcome_was_on_its_way(run_each):
    async def main():
        made = await subject("plain")
        for number in range(5):
            send(made.address, b"%d" % number)
            time.sleep(0.05)
            with testing.dead_reader(made.target):
                await asyncio.sleep(SILENCE)
                await made.is_deaf_to(b"waits")
                assert not armed(made.transport)
            await made.hears(b"after")
        made.close()

    run_each(main)
    assert run_each.failures == []


@pytest.mark.parametrize("fault", ["lost_completion", "dead_reader"])
def test_a_fault_ends_with_the_loop_that_it_was_in(run_each, fault):
    injected = contextlib.ExitStack()

    async def main():
        made = await subject("plain")
        injected.enter_context(getattr(testing, fault)(made.target))
        await made.is_deaf_to(b"lost")
        made.close()

    run_each(main)
    injected.close()
    assert run_each.failures == []


@ipv8
@pytest.mark.parametrize("error", [10065, OSError(0, "our own", None, 10051)])
def test_sends_fail_as_the_transport_reports_it_and_are_counted(run_each, kind, error):
    async def main():
        made = await subject(kind)
        await made.hears(b"before")
        state = made.state()
        peer = plain_socket()
        peer.settimeout(2)
        with testing.failing_sends(made.target, error) as failing:
            for count in (1, 2):
                made.transport.sendto(b"lost", peer.getsockname())
                await until(partial(reached, made.errors, count))
            assert failing.count == 2
            number = error if isinstance(error, int) else error.winerror
            assert {exc.winerror for exc in made.errors} == {number}
            await made.hears(b"while sends fail")
        assert made.state() == state
        made.transport.sendto(b"after", peer.getsockname())
        assert peer.recv(100) == b"after"
        peer.close()
        made.transport.abort()  # on a stock Proactor, close() with a send under way is F6

    run_each(main)
    assert run_each.failures == []


def test_an_error_that_no_transport_takes_for_one_is_refused(run):
    async def main():
        made = await subject("plain")
        with pytest.raises(ValueError, match="10035"), testing.failing_sends(made.target, 10035):
            pass
        made.close()

    run(main)


def test_a_send_to_a_departed_peer_fails_the_receive_that_waits(run_each, family):
    async def main():
        made = await subject("plain", family)
        with testing.departed_peer(family) as address:
            made.transport.sendto(b"?", address)
            if run_each.kind != "stock":  # which swallows it, or dies of it
                await until(lambda: made.errors)
                assert made.errors[0].winerror == 10054
                await made.hears(b"after")
        made.transport.abort()  # F6, again

    run_each(main)
    assert run_each.failures == []


@ipv8
def test_a_port_is_taken_as_soon_as_its_socket_is_closed_and_until_it_is_released(
    run_each, kind, family
):
    async def main():
        made = await subject(kind, family)
        address = made.address
        with testing.taken_port(made.target) as port:
            await made.hears(b"as ever")
            assert port.address == address
            assert not port.taken
            made.close()
            await until(lambda: port.taken)
            with pytest.raises(OSError) as caught:
                _bind(family, address).close()
            assert caught.value.winerror in (10013, 10048)
            port.release()
            assert not port.taken
            _bind(family, address).close()
        _bind(family, address).close()

    run_each(main)
    assert run_each.failures == []


def test_a_port_is_released_at_the_end_and_a_socket_that_was_not_closed_keeps_it(run_each):
    async def main():
        made, other = await subject("plain"), await subject("plain")
        state = made.state()
        with testing.taken_port(made.target), testing.taken_port(other.target) as port:
            other.close()
            await until(lambda: port.taken)
        assert made.state() == state
        await made.hears(b"after")
        _bind(socket.AF_INET, port.address).close()
        made.close()

    run_each(main)
    assert run_each.failures == []


def _bind(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def test_a_starved_loop_is_blocked_again_and_again_until_the_end(run_each):
    async def main():
        loop = asyncio.get_running_loop()
        began, turns = loop.time(), 0
        with testing.starved_loop(0.2):
            while loop.time() - began < 1:
                await asyncio.sleep(0)
                turns += 1
        # Each turn of the loop takes as long as it is blocked; a clock may tick in 16 ms.
        assert 1 <= turns <= 6
        began = loop.time()
        for _ in range(10):
            await asyncio.sleep(0)
        assert loop.time() - began < 0.2 * 10

    run_each(main)


@ipv8
def test_a_handler_raises_on_every_datagram_and_the_endpoint_reads_on(run_each, kind):
    async def main():
        made = await subject(kind)
        state = made.state()
        with testing.raising_handler(made.target) as handler:
            for count in (1, 2, 3):
                send(made.address, b"?")
                await until(partial(raised, handler, count))
            assert armed(made.transport)
        assert made.state() == state
        await made.hears(b"after")
        assert handler.count == 3
        made.close()

    run_each(main)
    exceptions = [failure["exception"] for failure in run_each.failures]
    assert [type(exception) for exception in exceptions] == [RuntimeError] * 3


def test_a_clock_jump_without_a_watchdog_to_see_it_is_an_error(run):
    with pytest.raises(testing.FaultUnavailable, match="no watchdog"), testing.clock_jump(60):
        pass
    with pytest.raises(ValueError, match="2"), testing.clock_jump(1):
        pass


def test_a_running_watchdog_sees_a_clock_jump_once_and_nobody_else_does(run_each):
    async def main():
        made = await subject("ipv8")
        events: list[Any] = []
        settings = tribler_udp_fix.Settings(tick=0.05)
        async with tribler_udp_fix.Watchdog(made.target, settings, events.append):
            before = time.time()
            with testing.clock_jump(3600):
                await until(lambda: any("3600" in event.cause for event in events))
                await asyncio.sleep(SILENCE)
            assert time.time() - before < 1800
            await asyncio.sleep(SILENCE)
        told = [event for event in events if event.kind is tribler_udp_fix.EventKind.RESUMED]
        assert len(told) == 1
        made.close()

    run_each(main)
    assert run_each.failures == []


def test_a_running_watchdog_sees_other_addresses_once(run):
    async def main():
        made = await subject("ipv8")
        events: list[Any] = []
        settings = tribler_udp_fix.Settings(tick=0.05)

        def told() -> list[Any]:
            return [e for e in events if e.kind is tribler_udp_fix.EventKind.ADDRESSES]

        async with tribler_udp_fix.Watchdog(made.target, settings, events.append):
            with testing.changed_addresses(("203.0.113.5", "")):
                await until(told, 30)
            await asyncio.sleep(5)
        assert len(told()) == 1
        assert told()[0].cause.endswith("203.0.113.5, none")
        made.close()

    run(main)
    assert run.failures == []


def test_all_endpoints_behind_a_dispatcher_suffer(run):
    async def main():
        from ipv8.messaging.interfaces.dispatcher.endpoint import DispatcherEndpoint

        made = [await subject("ipv8"), await subject("ipv8", socket.AF_INET6)]
        dispatcher = DispatcherEndpoint([])
        dispatcher.interfaces = {"UDPIPv4": made[0].target, "UDPIPv6": made[1].target}
        with testing.lost_completion(dispatcher):
            for one in made:
                await one.is_deaf_to(b"lost")
        for one in made:
            await one.hears(b"after")
            one.close()

    run(main)
    assert run.failures == []


def test_what_is_no_open_udp_endpoint_is_refused_with_what_is_possible(run):
    async def main():
        made = await subject("ipv8")
        made.close()
        for target in (object(), made.target, made.transport):
            with pytest.raises(testing.FaultUnavailable, match="possible is an open UDPEndpoint"):
                testing.dead_reader(target).__enter__()
        protocol = Recorder()
        with pytest.raises(testing.FaultUnavailable):
            testing.raising_handler(protocol).__enter__()

    run(main)
