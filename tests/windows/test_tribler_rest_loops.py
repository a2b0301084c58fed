"""The REST server asks for the health of endpoints on other event loops than its own."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading

from communities import service
from rest_service import names, run, tribler_like
from udp import needs_pyipv8, only_on

from tribler_udp_fix._watchdog._ipv8_service import watchdog_of

pytestmark = [needs_pyipv8, only_on("3.10", "3.12")]


@contextlib.asynccontextmanager
async def thread_of(live):
    """Run *live* in a thread, once it has set the first of its two events until the second is."""
    started, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=live, args=(started, over))
    thread.start()
    assert await asyncio.to_thread(started.wait, 10)
    try:
        yield thread
    finally:
        over.set()
        await asyncio.to_thread(thread.join)


def test_the_watchdog_of_another_loop_is_asked_on_its_own():
    threads = set()

    def live(started, over):
        async def main():
            ipv8 = service(["UDPIPv4"])
            await ipv8.start()
            watched_by(ipv8)
            started.set()
            while not over.is_set():
                await asyncio.sleep(0.02)
            await ipv8.stop()

        loop = asyncio.ProactorEventLoop() if sys.platform == "win32" else None
        assert loop is not None
        loop.set_debug(True)  # a call from another thread raises
        loop.run_until_complete(main())
        loop.close()

    def watched_by(ipv8):
        watchdog = watchdog_of(ipv8)
        assert watchdog is not None
        watchdog._telling.callbacks.append(lambda _: threads.add(threading.get_ident()))

    async def main():
        async with tribler_like() as (_, client), thread_of(live) as thread:
            health = (await client.get("/udp-fix/health")).json
            assert len(names(health)) == 2
            answer = await client.post("/udp-fix/rebind")
            assert (answer.status, sorted(answer.json["accepted"])) == (
                200,
                sorted(names(health)),
            )
            assert [e["rebinds"] for e in answer.json["endpoints"]] == [1, 1]
            assert threads == {thread.ident}
            assert (await client.post("/udp-fix/probe")).status == 200

    run(main, both=False)


def test_a_loop_that_ends_while_it_is_asked_is_named():
    def live(started, over):
        async def main():
            ipv8 = service(["UDPIPv4"])
            await ipv8.start()
            started.set()
            while not over.is_set():
                for task in asyncio.all_tasks():  # as asyncio.run() does it at its end
                    if getattr(task.get_coro(), "__qualname__", "").startswith("_ask."):
                        task.cancel()
                await asyncio.sleep(0)
            await ipv8.stop()

        asyncio.run(main())

    async def main():
        async with tribler_like() as (_, client):
            (own,) = names((await client.get("/udp-fix/health")).json)
            async with thread_of(live):
                answer = await client.post("/udp-fix/rebind")
                assert (answer.status, answer.json["accepted"]) == (200, [own])
                assert list(answer.json["refused"].values()) == ["its event loop has given it up"]

    run(main, both=False)


def test_a_loop_that_hangs_is_named_and_the_others_are_served():
    from tribler_udp_fix._tribler import _health

    hang = threading.Event()

    def live(started, over):
        async def main():
            ipv8 = service(["UDPIPv4"])
            await ipv8.start()
            started.set()
            hang.wait()
            over.wait()  # blocks the loop
            await ipv8.stop()

        asyncio.run(main())

    async def main():
        async with tribler_like() as (_, client):
            (own,) = names((await client.get("/udp-fix/health")).json)
            async with thread_of(live):
                hang.set()
                answer = await client.post("/udp-fix/probe")
                assert (answer.status, answer.json["accepted"]) == (200, [own])
                (why,) = answer.json["refused"].values()
                assert why == f"its event loop has not answered within {_health.ANSWER:g} seconds"

    run(main, both=False)
