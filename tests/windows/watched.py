"""What the tests of the watchdog share: endpoints, what they hear, and what is told of them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from typing import Any, AsyncIterator

from tribler_udp_fix import Event, EventKind, Settings, Watchdog

# A machine that is busy with other Windows Pythons is late by more than a tenth of a second.
QUICK = Settings(probe_after=0.6, probe_timeout=0.3, tick=0.05, jitter=0.0, retry_cap=1.0)
# Not probed while a test looks, so that what is counted stands still.
NEVER_QUIET = dataclasses.replace(QUICK, probe_after=3600.0)

PREFIX = b"a community's prefix.."
HOSTS = {"ipv4": "127.0.0.1", "ipv6": "::1", "all ipv4": "0.0.0.0", "all ipv6": "::"}


def new_endpoint(kind: str = "ipv4", port: int = 0) -> Any:
    """An IPv8 endpoint of one kind, not open yet."""
    from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint

    made = (UDPv6Endpoint if "ipv6" in kind else UDPEndpoint)(port, HOSTS[kind])
    assert made.prefixlen == len(PREFIX)
    return made


def ear(endpoint: Any) -> Any:
    """A listener that keeps what it hears, for our community's prefix."""
    from ipv8.messaging.interfaces.endpoint import EndpointListener

    class Ear(EndpointListener):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(endpoint)
            self.heard: list[bytes] = []

        def on_packet(self, packet: Any) -> None:
            self.heard.append(packet[1][len(PREFIX) :])

    made = Ear()
    endpoint.add_prefix_listener(made, PREFIX)
    return made


def address_of(endpoint: Any) -> Any:
    """Where a datagram for the endpoint is sent to, on this machine."""
    host, port = endpoint.get_address()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port


def say(endpoint: Any, *messages: bytes) -> None:
    """Send *messages* to the endpoint's community from a peer that wants no answer."""
    address = address_of(endpoint)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        for message in messages:
            peer.sendto(PREFIX + message, address)


class Scene:
    """An open endpoint with a listener and a watchdog, and the events that there were."""

    def __init__(self, endpoint: Any, settings: Settings) -> None:
        self.endpoint = endpoint
        self.ear = ear(endpoint)
        self.events: list[Event] = []
        self.watchdog = Watchdog(endpoint, settings, on_event=self.events.append)

    @property
    def state(self) -> str:
        return self.watchdog.status().endpoints[0].state

    @property
    def status(self) -> Any:
        return self.watchdog.status().endpoints[0]

    @property
    def states(self) -> list[str]:
        """The states that it went through."""
        return [event.state for event in self.events if event.kind is EventKind.STATE]

    def all(self, kind: EventKind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]

    async def until(self, condition: Any, seconds: float = 15.0) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition():
            assert loop.time() < deadline, [str(event) for event in self.events]
            await asyncio.sleep(0.01)

    async def hears(self, message: bytes = b"anyone there?") -> None:
        """Its community hears the next message."""
        say(self.endpoint, message)
        await self.until(lambda: message in self.ear.heard)


@contextlib.asynccontextmanager
async def scene(kind: str = "ipv4", settings: Settings = QUICK) -> AsyncIterator[Scene]:
    """Open an endpoint, watch it, and close both in the end."""
    endpoint = new_endpoint(kind)
    assert await endpoint.open()
    made = Scene(endpoint, settings)
    try:
        async with made.watchdog:
            yield made
    finally:
        endpoint.close()
        await asyncio.sleep(0.05)
