"""What a watchdog says of a next socket that is none, and of one that it may not make."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, Callable

import pytest
from udp import LOOPBACK, Recorder, endpoint, hears, until
from watched import NEVER_QUIET, QUICK

from tribler_udp_fix import Event, EventKind, Watchdog
from tribler_udp_fix.testing import lost_completion


def bound() -> socket.socket:
    """One that has an address already."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind((LOOPBACK[socket.AF_INET], 0))
    return sock


def closed() -> socket.socket:
    """As a program returns that makes one once, and hands it out each time."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.close()
    return sock


NONE: dict[str, tuple[Callable[[], Any], str]] = {
    "TCP": (socket.socket, "one of AF_INET, SOCK_STREAM"),
    "IPv6": (lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), "one of AF_INET6, "),
    "bound": (bound, "one that is bound to port "),
    "closed": (closed, "a socket that is closed"),
    "None": (lambda: None, "None"),
}


async def a_next_socket_that_is_none_costs_nobody_the_old_one(which: str) -> None:
    """The rebind fails, says why, and the transport hears by the socket that it has."""
    make, told = NONE[which]
    events: list[Event] = []
    made: list[Any] = []

    def make_socket() -> Any:
        made.append(make())
        return made[-1]

    server = await endpoint()
    async with Watchdog(server.transport, NEVER_QUIET, events.append, make_socket) as watchdog:
        before = server.transport.get_extra_info("socket").fileno()
        await watchdog.rebind()
        (failed,) = [each.cause for each in events if each.kind is EventKind.REBIND_FAILED]
        allowed = "an open UDP socket of AF_INET, not bound"
        assert failed.startswith(f"ValueError: make_socket() returned {told}")
        assert failed.endswith(f": allowed is {allowed}")
        state = [each.cause for each in events if each.previous == "rebinding"]
        assert failed in state
        assert server.transport.get_extra_info("socket").fileno() == before
        await hears(server, b"still there?")
    server.transport.close()
    for each in made:
        with contextlib.suppress(AttributeError):
            each.close()


async def who_hears_nothing_and_gets_no_other_socket_says_why() -> None:
    """Its program made the socket, and has not said how to make the next."""
    server = await endpoint(local_addr=None, sock=bound())
    async with Watchdog(server.transport, QUICK) as watchdog:
        with lost_completion(server.transport, until="rebind"):
            await until(lambda: watchdog.status().endpoints[0].state == "backing off", every=0.1)
            reason = watchdog.status().endpoints[0].reason
        assert reason.startswith("it hears nothing, and gets no other socket: its program made")
        assert "make_socket=function" in reason
        await until(lambda: watchdog.status().endpoints[0].state == "healthy", every=0.1)
        assert not watchdog.status().endpoints[0].reason
    server.transport.close()


def a_watchdog_on_another_loop_is_refused(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """It would wait there for what happens here."""
    loop, other = new_loop(), new_loop()
    try:
        server = loop.run_until_complete(endpoint())

        async def watch() -> None:
            Watchdog(server.transport).start()

        with pytest.raises(ValueError, match=r"is another event loop's: allowed is a watchdog on"):
            other.run_until_complete(watch())
        assert server.transport.keepers == ()
        server.transport.close()
        loop.run_until_complete(asyncio.sleep(0.01))
    finally:
        loop.close()
        other.close()


async def one_whose_adapter_is_not_there_when_it_is_made() -> None:
    """It is watched in ``connection_made()``, before it reads, and gives its first socket up."""

    class Kept(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.watchdog = Watchdog(transport, NEVER_QUIET, bind_interface="none such")
            self.watchdog.start()

    failures: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    made = await endpoint(protocol=Kept)
    for _ in range(5):
        await asyncio.sleep(0.02)
    assert made.transport.get_extra_info("socket").fileno() == -1
    assert failures == []
    await made.watchdog.stop()
    made.transport.close()
    await asyncio.sleep(0.05)
