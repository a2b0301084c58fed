"""Who is hurt in healing.py: IPv8 instances, and plain asyncio servers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Callable, Iterator

import tribler_udp_fix
from tribler_udp_fix import Event, Watchdog
from tribler_udp_fix.testing._seam import hooked

WSAENOTSOCK = 10038


class Ipv8Service:
    """A whole IPv8 instance, with a community that talks."""

    header = 23  # bytes of a message before what is said

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    async def start(self) -> None:
        """Open it; IPv8's own watchdog comes with that."""
        self._ipv8 = self._make()
        self._community = self._ipv8.overlays[0]
        await self._ipv8.start()
        self.target = _leaf(self._ipv8.endpoint)
        self._transport = self._transport_now()

    async def stop(self) -> None:
        """Close it."""
        await self._ipv8.stop()

    @property
    def address(self) -> Any:
        """Where it is."""
        return self.target.get_address()[:2]

    @property
    def heard(self) -> list[bytes]:
        """What was said to it."""
        return self._community.heard  # type: ignore[no-any-return]

    @property
    def same_transport(self) -> bool:
        """Whether it has the transport that it began with. The Rust endpoint has none."""
        return self._transport_now() is self._transport

    def wire(self, message: bytes) -> bytes:
        """The datagram that says *message*."""
        return self._community.message(message)  # type: ignore[no-any-return]

    def say(self, address: Any, message: bytes) -> None:
        """Send it to a peer."""
        self._community.say(address, message)

    def send(self, address: Any, data: bytes) -> None:
        """Send anything to anybody."""
        self.target.send(address, data)

    @contextlib.contextmanager
    def socket_lost(self) -> Iterator[None]:
        """Its transport gives up, as after WSAENOTSOCK."""
        self.target._transport.abort()
        yield

    def history(self) -> list[Event]:
        """What its watchdog told."""
        from tribler_udp_fix._watchdog._ipv8_service import watchdog_of

        watchdog = watchdog_of(self._ipv8)
        assert watchdog is not None
        return list(watchdog.status().history)

    def _transport_now(self) -> Any:
        return getattr(self.target, "_transport", None)


class PlainServer(asyncio.DatagramProtocol):
    """What ``loop.create_datagram_endpoint()`` makes, and its watchdog.

    Without one of its own it is left to the setting ``watch=all``.
    """

    header = 0

    def __init__(self, host: str, *, own_watchdog: bool) -> None:
        self.heard: list[bytes] = []
        self._host = host
        self._own_watchdog = own_watchdog
        self._calls: list[str] = []

    async def start(self) -> None:
        """Open it, and have it watched."""
        loop = asyncio.get_running_loop()
        self.target: Any
        self.target, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self._host, 0)
        )
        self._watchdog = Watchdog(self.target) if self._own_watchdog else None
        if self._watchdog is not None:
            self._watchdog.start()

    async def stop(self) -> None:
        """Close it."""
        if self._watchdog is not None:
            await self._watchdog.stop()
        self.target.close()

    def connection_made(self, transport: Any) -> None:
        """Count it: there is one."""
        self._calls.append("made")

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it: there is none before the end."""
        self._calls.append("lost")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Keep what was said."""
        self.heard.append(data)

    @property
    def address(self) -> Any:
        """Where it is, as its socket has it now."""
        return self.target.get_extra_info("socket").getsockname()[:2]

    @property
    def same_transport(self) -> bool:
        """Whether its transport was never lost nor replaced."""
        return self._calls == ["made"] and not self.target.is_closing()

    def wire(self, message: bytes) -> bytes:
        """The datagram that says *message*."""
        return message

    def say(self, address: Any, message: bytes) -> None:
        """Send it to a peer."""
        self.target.sendto(message, address)

    send = say

    @contextlib.contextmanager
    def socket_lost(self) -> Iterator[None]:
        """Its socket is none any more, as its next receive is told: WSAENOTSOCK.

        ``abort()``, here, would be its owner's own word.
        """

        def fail(_receive: Any) -> Any:
            raise OSError(WSAENOTSOCK, "not a socket")

        with hooked(self.target, receive=fail):
            yield

    def history(self) -> list[Event]:
        """What its watchdog, or that of all, told of it."""
        name = f":{self.address[1]}"
        told = [watchdog.history for watchdog in tribler_udp_fix.status().watchdogs]
        return [event for each in told for event in each if event.endpoint.endswith(name)]


def _leaf(endpoint: Any) -> Any:
    """The first endpoint with a socket."""
    from tribler_udp_fix._ipv8._leaves import leaves

    found = leaves(endpoint)
    return (*found.udp, *found.rust)[0]
