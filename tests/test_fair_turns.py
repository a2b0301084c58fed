"""What a transport takes back of its share of a turn, the event loop has not counted on yet."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Callable

import pytest

import tribler_udp_fix
from tribler_udp_fix import Watchdog

FLOOD = 200  # datagrams: more than one transport reads in one go, less than its buffer holds


class Reader(asyncio.DatagramProtocol):
    def __init__(self, *, raises: bool = False) -> None:
        self.heard = 0
        self.raises = raises

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard += 1
        if self.raises:
            raise ValueError("the handler's fault")


@pytest.fixture
def run(repaired: None) -> Callable[..., None]:
    def run(main: Callable[[], Any]) -> None:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)
        try:
            loop.run_until_complete(asyncio.wait_for(main(), 20))
        finally:
            loop.close()

    return run


@pytest.fixture
def repaired():
    tribler_udp_fix.install()
    yield
    tribler_udp_fix.uninstall()


async def flooded(protocol: Reader) -> Any:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: protocol, local_addr=("127.0.0.1", 0)
    )
    async with Watchdog(transport):  # which adopts it, where install() repairs no such transport
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(FLOOD):
            peer.sendto(b"x", transport.get_extra_info("sockname"))
    return transport


END = {
    "close": lambda transport: transport.close(),
    "abort": lambda transport: transport.abort(),
    "suspend": lambda transport: transport.suspend(10),
}


@pytest.mark.parametrize("raises", [False, True], ids=["handler-returns", "handler-raises"])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("end", END)
def test_a_transport_may_end_in_a_turn_that_was_to_go_on_with_it(run, end, turns, raises):
    """The loop has counted what is to run in it: taking that away would end the loop itself."""

    async def main():
        loop = asyncio.get_running_loop()
        protocol = Reader(raises=raises)
        transport = await flooded(protocol)
        ended = loop.create_future()

        def later(left: int) -> None:
            if left:
                loop.call_soon(later, left - 1)
            else:
                END[end](transport)
                loop.call_later(0.05, ended.set_result, None)

        loop.call_soon(later, turns)
        await ended
        transport.abort()
        await asyncio.sleep(0)

    run(main)


def test_a_transport_may_end_in_the_handler_of_another(run):
    async def main():
        loop = asyncio.get_running_loop()
        first, second = Reader(), Reader()
        one, other = await flooded(first), await flooded(second)

        class Ends(Reader):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                super().datagram_received(data, addr)
                one.close()
                other.close()

        third = Ends()
        last = await flooded(third)
        await asyncio.sleep(0.1)
        assert third.heard == FLOOD
        last.close()
        await asyncio.sleep(0)
        assert loop.is_running()

    run(main)
