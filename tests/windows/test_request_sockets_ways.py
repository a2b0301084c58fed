"""What ends a question and what does not: addresses that no way leads to, and datagrams' errors."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any
from unittest import mock

import pytest
import test_request_sockets
from test_request_sockets import server
from udp import only_on

from tribler_udp_fix import DestinationUnreachable

pytestmark = only_on("3.10", "3.12", "3.13")
loop, ask = test_request_sockets.loop, test_request_sockets.ask

NOWHERE = "255.255.255.255"  # to which no system connects a socket that may not broadcast


async def ask_name(sockets: Any, addresses: list[Any], **options: Any) -> Any:
    """What a server answers whose name has these addresses."""
    found = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", each) for each in addresses]
    loop = asyncio.get_running_loop()
    with mock.patch.object(loop, "getaddrinfo", mock.AsyncMock(return_value=found)):
        return await sockets.ask(("a.name.test", addresses[0][1]), b"?", timeout=5, **options)


@pytest.mark.parametrize("limit", [1, 64])
def test_of_a_names_addresses_the_first_is_asked_that_a_way_leads_to(ask, limit):
    async def main(sockets):
        async with server() as asked, server() as last:
            nowhere = NOWHERE, asked.address[1]
            assert await ask_name(sockets, [nowhere, nowhere, asked.address, last.address]) == b"?"
            assert (asked.asked, last.asked) == ([b"?"], [])
            with pytest.raises(DestinationUnreachable, match=NOWHERE):
                await ask_name(sockets, [nowhere, nowhere])
        counts = sockets.counters
        assert (counts["asked"], counts["answered"], counts["unreachable"]) == (2, 1, 1)
        assert counts["opened"] == 1

    ask(main, limit=limit)


def test_a_family_that_the_system_does_not_have_is_no_way(ask):
    create = socket.socket

    def without(family: int, *args: Any, **options: Any) -> Any:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return create(family, *args, **options)

    async def main(sockets):
        patched = mock.patch.object(socket, "socket", without)
        with patched, pytest.raises(DestinationUnreachable) as caught:
            await sockets.ask(("::1", 9), b"?")
        assert caught.value.errno == errno.EAFNOSUPPORT

    ask(main)


def test_who_was_asked_and_is_not_there_keeps_the_other_addresses_from_being_asked(ask):
    async def main(sockets):
        async with server() as other:
            closed = test_request_sockets._closed_addresses(1)[0]
            with pytest.raises(DestinationUnreachable):
                await ask_name(sockets, [closed, other.address])
            assert other.asked == []

    ask(main)


@pytest.mark.parametrize("name", ["EMSGSIZE", "ENOBUFS"])
def test_an_error_of_a_datagram_that_a_read_tells_of_ends_no_question(ask, name):
    async def main(sockets):
        async with server(silent=2) as asked:
            questions = [
                asyncio.ensure_future(sockets.ask(asked.address, each, match=each.__eq__, wait=0.5))
                for each in (b"one", b"other")
            ]
            while len(asked.asked) < 2:
                await asyncio.sleep(0.01)
            (destination,) = sockets._open.values()
            # As of a router that has no room for it: tests/test_icmp_router.py has one, on Linux.
            destination._current.error_received(OSError(getattr(errno, name), "of one"))
            assert await asyncio.gather(*questions) == [b"one", b"other"]
        assert sockets.counters["errors"] == 1
        assert sockets.counters["unreachable"] == 0

    ask(main)
