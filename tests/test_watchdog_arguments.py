"""What a watchdog and a peer monitor refuse, and what they then say."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any, Callable, Coroutine

import pytest
from next_sockets import (
    NONE,
    a_next_socket_that_is_none_costs_nobody_the_old_one,
    a_watchdog_on_another_loop_is_refused,
    one_whose_adapter_is_not_there_when_it_is_made,
    who_hears_nothing_and_gets_no_other_socket_says_why,
)

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog

Main = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture
def run() -> Any:
    tribler_udp_fix.install()
    loop = asyncio.SelectorEventLoop()
    yield lambda main: loop.run_until_complete(main())
    loop.close()
    tribler_udp_fix.uninstall()


class Waits:
    """The same as an object."""

    async def __call__(self, _event: Any) -> None:
        """Nobody would await this either."""


PEER = SimpleNamespace(public_key=None, address=("127.0.0.1", 1))


async def waits(_event: Any) -> None:
    """What nobody would ever await."""


async def opened(**how: Any) -> Any:
    how = how or {"local_addr": ("127.0.0.1", 0)}
    loop = asyncio.get_running_loop()
    return (await loop.create_datagram_endpoint(asyncio.DatagramProtocol, **how))[0]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("settings", {}, "={}: allowed is a tribler_udp_fix.Settings, or None"),
        ("settings", 0, "=0: allowed is a tribler_udp_fix.Settings, or None"),
        ("on_event", "x", "='x', no function: allowed is a function that takes an event, or None"),
        ("on_event", waits, "=waits, an async one: allowed is a function that takes an event,"),
        ("on_event", Waits(), "an async one: allowed is a function that takes an event, or None"),
        ("make_socket", 5, "=5, no function: allowed is a function that returns the next socket"),
        ("make_socket", waits, "an async one: allowed is a function that returns the next socket"),
        ("bind_interface", None, "=None: allowed is the name of a network adapter, or nothing"),
    ],
)
def test_a_watchdog_says_what_is_allowed(
    run: Callable[[Main], None], name: str, value: Any, told: str
) -> None:
    async def main() -> None:
        transport = await opened()
        with pytest.raises(TypeError) as caught:
            Watchdog(transport, **{name: value})
        assert str(caught.value).startswith(f"{name}=")
        assert told in str(caught.value)
        transport.close()

    run(main)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ipv8": None}, "ipv8=None: allowed is an IPv8 instance, or what has its endpoint"),
        ({"settings": {}}, "settings={}: allowed is a tribler_udp_fix.Settings, or None"),
        (
            {"on_event": "x"},
            "on_event='x', no function: allowed is a function that takes an event, or None",
        ),
    ],
    ids=["ipv8", "settings", "on_event"],
)
def test_a_peer_monitor_says_what_is_allowed(given: dict[str, Any], told: str) -> None:
    network = pytest.importorskip("ipv8.peerdiscovery.network").Network()
    ipv8 = SimpleNamespace(endpoint=None, network=network, overlays=[])
    with pytest.raises(TypeError) as caught:
        tribler_udp_fix.PeerMonitor(**{"ipv8": ipv8, **given})
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("state", (("127.0.0.1", 1),), "peer=('127.0.0.1', 1): allowed is a Peer"),
        ("rtt", ("x",), "peer='x': allowed is a Peer"),
        ("check", (None,), "peer=None: allowed is a Peer"),
        ("check", (PEER, "5"), "timeout='5': allowed is a positive number of seconds"),
        ("check", (PEER, -1), "timeout=-1: allowed is a positive number of seconds"),
    ],
)
def test_what_is_asked_of_a_peer_monitor_is_a_peer_and_a_time(name, arguments, told) -> None:
    network = pytest.importorskip("ipv8.peerdiscovery.network").Network()
    monitor: Any = tribler_udp_fix.PeerMonitor(
        SimpleNamespace(endpoint=None, network=network, overlays=[])
    )

    async def asked() -> None:
        answer = getattr(monitor, name)(*arguments)
        if name == "check":
            await answer

    with pytest.raises((TypeError, ValueError)) as caught:
        asyncio.run(asked())
    assert str(caught.value) == told


def test_before_its_start_and_after_its_end_nothing_can_be_asked_of_a_watchdog(
    run: Callable[[Main], None],
) -> None:
    async def main() -> None:
        transport = await opened()
        watchdog = Watchdog(transport)
        for ended in ("has not been started", "has been stopped"):
            with pytest.raises(RuntimeError, match=ended):
                watchdog.probe()
            with pytest.raises(RuntimeError, match=ended):
                await watchdog.rebind()
            async with watchdog:
                watchdog.probe()
        transport.close()

    run(main)


def test_who_may_not_have_another_socket_is_told_what_would_allow_it(
    run: Callable[[Main], None],
) -> None:
    async def main() -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        own = await opened(sock=sock)
        async with Watchdog(own) as watchdog:
            with pytest.raises(RuntimeError, match=r"the socket itself; .*make_socket=function"):
                await watchdog.rebind()
        connected = await opened(remote_addr=own.get_extra_info("sockname"))
        async with Watchdog(connected) as watchdog:
            with pytest.raises(RuntimeError, match=r"it is connected$"):
                await watchdog.rebind()
        transport = await opened()
        async with Watchdog(transport, Settings(rebinds_per_hour=0)) as watchdog:
            with pytest.raises(RuntimeError, match=r"rebinds_per_hour=0 means never$"):
                await watchdog.rebind()
        for one in (own, connected, transport):
            one.close()

    run(main)


@pytest.mark.parametrize("which", NONE)
def test_a_next_socket_that_is_none_costs_nobody_the_old_one(
    run: Callable[[Main], None], which: str
) -> None:
    run(lambda: a_next_socket_that_is_none_costs_nobody_the_old_one(which))


def test_who_hears_nothing_and_gets_no_other_socket_says_why(run: Callable[[Main], None]) -> None:
    run(who_hears_nothing_and_gets_no_other_socket_says_why)


def test_a_watchdog_on_another_loop_is_refused() -> None:
    tribler_udp_fix.install()
    try:
        a_watchdog_on_another_loop_is_refused(asyncio.SelectorEventLoop)
    finally:
        tribler_udp_fix.uninstall()


def test_one_whose_adapter_is_not_there_when_it_is_made_ends_no_loop(
    run: Callable[[Main], None],
) -> None:
    run(one_whose_adapter_is_not_there_when_it_is_made)


def test_who_makes_the_next_socket_is_for_a_transport(run: Callable[[Main], None]) -> None:
    endpoint = pytest.importorskip("ipv8.messaging.interfaces.udp.endpoint").UDPEndpoint()

    async def main() -> None:
        with pytest.raises(ValueError, match="make_socket: allowed is one transport"):
            Watchdog(endpoint, make_socket=socket.socket)

    run(main)


def test_an_endpoint_that_ipv8_itself_would_open_everywhere_is_not_kept_to_an_adapter() -> None:
    endpoint = pytest.importorskip("ipv8.messaging.interfaces.udp.endpoint").UDPEndpoint()

    async def main() -> None:
        with pytest.raises(ValueError, match=r"'wg0' is not for .* allowed is to call install\(\)"):
            Watchdog(endpoint, bind_interface="wg0").start()
        tribler_udp_fix.install()
        try:
            async with Watchdog(endpoint, bind_interface="wg0"):
                assert not await endpoint.open()
        finally:
            tribler_udp_fix.uninstall()

    asyncio.run(main())
