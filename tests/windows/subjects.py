"""What a fault is injected into, an IPv8 endpoint or a plain transport, and what it heard."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from udp import LOOPBACK, endpoint, send, until

from tribler_udp_fix.testing import RaisingHandler

SILENCE = 0.3  # seconds in which whatever is to be heard has been heard

each_kind = pytest.mark.parametrize("kind", ["plain", "ipv8"])


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


def raised(handler: RaisingHandler, count: int) -> bool:
    return handler.count == count


def armed(transport: Any) -> bool:
    """Whether a transport of asyncio's, repaired or not, has a read under way."""
    reading = getattr(transport, "reading", None)
    if reading is not None:
        return bool(reading)
    if hasattr(transport, "_read_fut"):
        return transport._read_fut is not None
    return transport._sock_fd in transport._loop._selector.get_map()


def rearm(transport: Any) -> None:
    """Make it read again, as far as it can be done from outside."""
    if hasattr(transport, "rearm"):
        transport.rearm()
    elif hasattr(transport, "_read_fut"):
        lost, transport._read_fut = transport._read_fut, None
        if lost is not None:
            lost.remove_done_callback(transport._loop_reading)
            lost.cancel()
        transport._loop_reading()
    else:
        transport._loop._add_reader(transport._sock_fd, transport._read_ready)
