"""Who waits for a socket of the pool, and who of them is woken when there is one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
import test_request_sockets
from test_request_sockets import server
from udp import only_on

pytestmark = only_on("3.10", "3.12", "3.13")
loop, ask = test_request_sockets.loop, test_request_sockets.ask


def test_who_waits_for_the_same_server_goes_on_with_the_first_of_them(ask):
    async def main(sockets):
        async with server(silent=99) as silent, server() as one, server() as other:
            late = sockets.ask(silent.address, b"?", timeout=0.3, retries=0)
            in_line = [one, other, one]
            outcomes = await asyncio.gather(
                late, *(sockets.ask(each.address, b"?") for each in in_line), return_exceptions=True
            )
            assert outcomes[1:] == [b"?"] * 3
        assert sockets.counters["opened"] == 3

    ask(main, limit=1)


@pytest.mark.parametrize("servers", [1, 20])
def test_of_many_that_wait_only_who_can_go_on_is_woken(ask, servers):
    tasks: list[Any] = []

    def make(loop: Any, coroutine: Any, **options: Any) -> Any:
        tasks.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main(sockets):
        async with contextlib.AsyncExitStack() as stack:
            silent = await stack.enter_async_context(server(silent=99))
            asked = [await stack.enter_async_context(server()) for _ in range(servers)]
            asyncio.get_running_loop().set_task_factory(make)
            late = sockets.ask(silent.address, b"?", timeout=0.1, retries=0)
            in_line = [
                sockets.ask(each.address, b"%d" % number, match=(b"%d" % number).__eq__)
                for number, each in enumerate(asked * (200 // servers))
            ]
            outcomes = await asyncio.gather(late, *in_line, return_exceptions=True)
            asyncio.get_running_loop().set_task_factory(None)
        assert outcomes[1:] == [b"%d" % number for number in range(200)]
        assert tasks.count("wait") < 2 * 200

    ask(main, limit=1)
