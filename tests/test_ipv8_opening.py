"""open() when it is interrupted, the counts of errors, and what uninstall() leaves of IPv8."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
from typing import Any, Callable, Iterator

import pytest

if sys.platform == "win32":
    pytest.skip("tests/windows/test_ipv8_opening.py is for Windows", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from ipv8.messaging.anonymization.endpoint import TunnelEndpoint
from ipv8.messaging.interfaces.dispatcher.endpoint import DispatcherEndpoint
from ipv8.messaging.interfaces.endpoint import Endpoint, EndpointListener
from ipv8.messaging.interfaces.statistics_endpoint import StatisticsEndpoint
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint

import tribler_udp_fix
from tribler_udp_fix import Settings
from tribler_udp_fix._ipv8 import _error_counts, _opening
from tribler_udp_fix._ipv8._error_counts import errors_of

CLASSES = [
    asyncio.DatagramProtocol,
    Endpoint,
    EndpointListener,
    UDPEndpoint,
    UDPv6Endpoint,
    DispatcherEndpoint,
    StatisticsEndpoint,
    TunnelEndpoint,
]


def vars_by_identity() -> Any:
    # wrapt's wrapper is equal to what it wraps.
    return [(cls, {name: id(value) for name, value in vars(cls).items()}) for cls in CLASSES]


def sockets() -> int:
    gc.collect()
    return sum(isinstance(o, socket.socket) and o.fileno() != -1 for o in gc.get_objects())


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.fixture
def repaired() -> Iterator[None]:
    tribler_udp_fix.install()
    yield
    tribler_udp_fix.uninstall()


def run(main: Callable[[], Any], loop: asyncio.AbstractEventLoop | None = None) -> Any:
    loop = loop or asyncio.SelectorEventLoop()
    failures: list[Any] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    try:
        result = loop.run_until_complete(asyncio.wait_for(main(), 20))
        loop.run_until_complete(asyncio.sleep(0.05))
    finally:
        loop.close()
    assert failures == []
    return result


def test_after_uninstall_every_class_is_what_it_was() -> None:
    before = vars_by_identity()
    for _ in range(3):
        tribler_udp_fix.install()
        assert [cls for cls, _ in before if dict(vars_by_identity())[cls] != dict(before)[cls]] == [
            UDPEndpoint,
            StatisticsEndpoint,
            TunnelEndpoint,
        ]
        tribler_udp_fix.uninstall()
        assert vars_by_identity() == before


def test_an_endpoint_opens_closes_and_opens_again_on_its_port(repaired: None) -> None:
    async def main() -> None:
        endpoint = UDPEndpoint(0, "127.0.0.1")
        assert await endpoint.open()
        port = endpoint.get_address()[1]
        assert await endpoint.open()  # open as it is
        endpoint.close()
        await asyncio.sleep(0.01)
        assert await endpoint.open()
        assert endpoint.get_address() == ("127.0.0.1", port)
        endpoint.close()

    run(main)


def test_a_transport_that_cannot_be_made_leaves_no_socket(repaired: None) -> None:
    class Loop(asyncio.SelectorEventLoop):
        error: Exception

        async def create_datagram_endpoint(self, *args: Any, **kwargs: Any) -> Any:
            raise self.error

    for error, raised in ((OSError("no"), False), (RuntimeError("no"), True)):
        loop = Loop()
        loop.error = error
        endpoint = UDPEndpoint(0, "127.0.0.1")
        before = sockets()

        async def main(endpoint: Any = endpoint, raised: bool = raised) -> int:
            if raised:
                with pytest.raises(RuntimeError):
                    await endpoint.open()
            else:
                assert await endpoint.open() is False
            return sockets()

        assert run(main, loop) == before
        assert (endpoint._running, endpoint._port, endpoint._transport) == (False, 0, None)


def test_an_open_that_is_cancelled_leaves_no_socket_and_another_goes_on(repaired: None) -> None:
    async def main() -> None:
        endpoint = UDPEndpoint(0, "127.0.0.1")
        before = sockets()
        first = asyncio.ensure_future(endpoint.open())
        second = asyncio.ensure_future(endpoint.open())
        await asyncio.sleep(0)  # both are in open() now
        first.cancel()
        assert await second is True
        assert first.cancelled()
        await asyncio.sleep(0.01)
        assert sockets() == before + 1
        endpoint.close()

    run(main)


def test_who_waits_for_another_open_may_be_cancelled(repaired: None) -> None:
    async def main() -> None:
        endpoint = UDPEndpoint(0, "127.0.0.1")
        first = asyncio.ensure_future(endpoint.open())
        second = asyncio.ensure_future(endpoint.open())
        await asyncio.sleep(0)
        second.cancel()
        assert await first is True
        assert second.cancelled()
        endpoint.close()

    run(main)


def test_an_endpoint_may_be_opened_on_one_loop_after_another(repaired: None) -> None:
    endpoint = UDPEndpoint(0, "127.0.0.1")

    async def main() -> None:
        assert all(await asyncio.gather(endpoint.open(), endpoint.open()))
        endpoint.close()

    run(main)
    run(main)


def test_errors_are_counted_by_number_for_each_endpoint(repaired: None) -> None:
    one, other = UDPEndpoint(), UDPv6Endpoint()
    for number in (111, 111, 113):
        one.error_received(OSError(number, "as a transport says it"))
    other.error_received(RuntimeError("an error without a number"))
    assert (errors_of(one), errors_of(other)) == ({111: 2, 113: 1}, {0: 1})
    assert errors_of(UDPEndpoint()) == {}
    tribler_udp_fix.uninstall()
    one.error_received(OSError(111, "not heard"))
    assert errors_of(one) == {111: 2, 113: 1}


def test_the_counts_go_with_their_endpoint(repaired: None) -> None:
    gc.collect()
    before = len(_error_counts._errors)
    endpoints = [UDPEndpoint() for _ in range(50)]
    for endpoint in endpoints:
        endpoint.error_received(OSError(111, "no"))
    assert len(_error_counts._errors) == before + 50
    del endpoints, endpoint
    gc.collect()
    assert len(_error_counts._errors) == before


def test_the_protocol_of_a_subclass_is_told_all_the_same(repaired: None) -> None:
    class Telling(UDPEndpoint):  # type: ignore[misc]
        told = 0

        def error_received(self, exc: Exception) -> None:
            self.told += 1
            super().error_received(exc)

    endpoint = Telling()
    endpoint.error_received(OSError(111, "no"))
    assert (endpoint.told, errors_of(endpoint)) == (1, {111: 1})


class Listener(EndpointListener):  # type: ignore[misc]
    """A community, as far as its own address goes."""

    def on_packet(self, packet: Any) -> None:
        raise AssertionError(packet)


@pytest.fixture
def kept_to_loopback() -> Iterator[None]:
    tribler_udp_fix.install(Settings(bind_interface="lo"))
    yield
    tribler_udp_fix.install(Settings())
    tribler_udp_fix.uninstall()


def interfaces_of(endpoint: Any) -> list[str]:
    return [each._transport.interface.name for each in endpoint.interfaces.values()]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("names", [("UDPIPv6", "UDPIPv4"), ("UDPIPv4", "UDPIPv6")])
def test_the_interfaces_of_a_dispatcher_may_be_opened_in_any_order(kept_to_loopback, names) -> None:
    async def main() -> None:
        endpoint = DispatcherEndpoint(list(names))  # prefers IPv4 in whichever order
        listener = Listener(endpoint)
        endpoint.add_listener(listener)
        assert await endpoint.open()
        assert interfaces_of(endpoint) == ["lo", "lo"]
        assert listener.my_estimated_lan == endpoint.get_address()
        assert listener.my_estimated_lan[0] == "127.0.0.1"
        await endpoint.close()

    run(main)


def test_an_endpoint_keeps_to_its_interface_whatever_its_listeners_raise(
    kept_to_loopback, monkeypatch
) -> None:
    def raising(*_: Any) -> None:
        raise RuntimeError("a fault of a listener's")

    async def main() -> None:
        endpoint = UDPEndpoint()
        with pytest.raises(RuntimeError):
            await endpoint.open()
        assert endpoint._transport.interface.name == "lo"
        endpoint.close()

    monkeypatch.setattr(_opening, "know_lan_address", raising)
    run(main)
