"""When the pool replaces a socket, and what becomes of who was asked on the one before it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, AsyncIterator

import test_request_sockets
from test_request_sockets import Server, server
from udp import only_on

pytestmark = only_on("3.10", "3.12", "3.13")
loop, ask = test_request_sockets.loop, test_request_sockets.ask


class Slow(Server):
    """Answers whatever does not begin with "never", after *seconds*."""

    seconds = 1.0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.ports.append(addr[1])
        if not data.startswith(b"never"):
            loop = asyncio.get_running_loop()
            loop.call_later(self.seconds, self.transport.sendto, data, addr)


@contextlib.asynccontextmanager
async def slow_server() -> AsyncIterator[Slow]:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(Slow, local_addr=("127.0.0.1", 0))
    yield made
    transport.close()


def asking(sockets: Any, asked: Slow, data: bytes, timeout: float) -> asyncio.Future[bytes]:
    question = sockets.ask(asked.address, data, match=data.__eq__, timeout=timeout, retries=0)
    asked_for: asyncio.Future[bytes] = asyncio.ensure_future(question)
    return asked_for


def test_who_still_waits_keeps_the_socket_that_is_replaced_for_another(ask):
    async def main(sockets):
        async with slow_server() as asked:
            waiting = asking(sockets, asked, b"slow", 20)
            silent = [asking(sockets, asked, b"never %d" % number, 0.2) for number in range(2)]
            await asyncio.gather(*silent, return_exceptions=True)
            next_one = asking(sockets, asked, b"next", 20)
            while sockets.counters["opened"] != 2:
                await asyncio.sleep(0.01)
            assert sockets.counters["closed"] == 0
            assert list(await asyncio.gather(waiting, next_one)) == [b"slow", b"next"]
            assert sockets.counters["closed"] == 1
            assert len(set(asked.ports)) == 2

    ask(main)


def test_where_there_is_no_room_for_two_the_one_is_replaced_when_nobody_waits(ask):
    async def main(sockets):
        async with slow_server() as asked:
            waiting = asking(sockets, asked, b"slow", 20)
            silent = [asking(sockets, asked, b"never %d" % number, 0.2) for number in range(2)]
            await asyncio.gather(*silent, return_exceptions=True)
            next_one = asking(sockets, asked, b"next", 20)
            assert list(await asyncio.gather(waiting, next_one)) == [b"slow", b"next"]
            assert sockets.counters["opened"] == 1
            await asyncio.gather(asking(sockets, asked, b"never", 0.2), return_exceptions=True)
            assert await asking(sockets, asked, b"last", 20) == b"last"
            assert sockets.counters["opened"] == 2

    ask(main, limit=1)


def test_who_waits_for_room_has_that_of_a_socket_that_was_replaced(ask):
    async def main(sockets):
        async with slow_server() as asked, server() as other:
            waiting = asking(sockets, asked, b"slow", 20)
            silent = [asking(sockets, asked, b"never %d" % number, 0.2) for number in range(2)]
            await asyncio.gather(*silent, return_exceptions=True)
            long = asking(sockets, asked, b"never", 20)
            while sockets.counters["opened"] != 2:
                await asyncio.sleep(0.01)
            assert await sockets.ask(other.address, b"?", timeout=20) == b"?"
            assert waiting.done()
            assert not long.done()
            long.cancel()

    ask(main, limit=2)


def test_a_closed_pool_leaves_neither_of_two_sockets(ask):
    async def main(sockets):
        async with slow_server() as asked:
            long = [asking(sockets, asked, b"never", 20)]
            silent = [asking(sockets, asked, b"never %d" % number, 0.2) for number in range(2)]
            await asyncio.gather(*silent, return_exceptions=True)
            long.append(asking(sockets, asked, b"never", 20))
            while sockets.counters["opened"] != 2:
                await asyncio.sleep(0.01)
            await sockets.close()
            ends: Any = await asyncio.gather(*long, return_exceptions=True)
            assert [type(each) for each in ends] == [ConnectionAbortedError] * 2
            assert sockets.counters["closed"] == 2

    ask(main)


class Twice(Server):
    """Answers the first question twice at once, and each other one again before the next.

    But never to a socket that was closed: the error that comes back is another test's.
    """

    last: tuple[bytes, Any] | None = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.ports.append(addr[1])
        if self.last is None:
            self.transport.sendto(data, addr)
        elif self.last[1] == addr:
            self.transport.sendto(*self.last)
        self.transport.sendto(data, addr)
        self.last = data, addr


def test_without_match_who_was_found_to_answer_twice_is_asked_from_a_new_socket_each_time(ask):
    async def main(sockets):
        loop = asyncio.get_running_loop()
        transport, asked = await loop.create_datagram_endpoint(Twice, local_addr=("127.0.0.1", 0))
        assert await sockets.ask(asked.address, b"first", timeout=20) == b"first"
        while not sockets.counters["unexpected"]:
            await asyncio.sleep(0.01)
        for number in range(10):
            question = b"%d" % number
            assert await sockets.ask(asked.address, question, timeout=20) == question
        assert sockets.counters["opened"] == 11  # a port may be had twice
        transport.close()

    ask(main)
