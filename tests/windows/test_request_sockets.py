"""The pool of sockets for asking public servers, on each event loop, repaired and not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Any, AsyncIterator, Iterator

import pytest
from udp import LOOPBACK, closed_address, endpoint, only_on

from tribler_udp_fix import DestinationUnreachable, RequestSockets

pytestmark = only_on("3.10", "3.12", "3.13")


@pytest.fixture(params=["selector", "stock", "repaired"])
def loop(request: pytest.FixtureRequest) -> Iterator[Any]:
    """SelectorEventLoop, the Proactor as CPython made it, and as the plugin repairs it."""
    assert sys.platform == "win32"
    if request.param == "repaired":
        request.getfixturevalue("repaired")
    selects = request.param == "selector"
    running: Any = asyncio.SelectorEventLoop() if selects else asyncio.ProactorEventLoop()
    yield running
    running.run_until_complete(asyncio.sleep(0.01))
    running.close()


@pytest.fixture
def ask(loop: Any) -> Any:
    """Run an async function with a pool."""

    def run(main: Any, **options: Any) -> Any:
        async def with_a_pool() -> Any:
            async with RequestSockets(**options) as sockets:
                return await main(sockets)

        return loop.run_until_complete(asyncio.wait_for(with_a_pool(), 60))

    return run


class Server(asyncio.DatagramProtocol):
    """Answers each question with itself, *times* times, after *silent* of them."""

    def __init__(self, times: int = 1, silent: float = 0) -> None:
        self.times, self.silent = times, silent
        self.asked: list[bytes] = []
        self.ports: list[int] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked.append(data)
        self.ports.append(addr[1])
        if len(self.asked) > self.silent:
            for _ in range(self.times):
                self.transport.sendto(data, addr)

    @property
    def address(self) -> Any:
        return self.transport.get_extra_info("sockname")[:2]


@contextlib.asynccontextmanager
async def server(
    times: int = 1, silent: float = 0, family: int = socket.AF_INET
) -> AsyncIterator[Server]:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(
        lambda: Server(times, silent), local_addr=(LOOPBACK[family], 0)
    )
    yield made
    transport.close()


def _closed_addresses(count: int) -> list[Any]:
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(count)]
        for sock in made:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname() for sock in made]


def test_fifty_servers_twenty_of_them_closed_and_five_silent(ask):
    async def main(sockets):
        listening = await endpoint()  # where the program hears its peers
        async with contextlib.AsyncExitStack() as stack:
            live = [await stack.enter_async_context(server()) for _ in range(25)]
            silent = [await stack.enter_async_context(server(silent=99)) for _ in range(5)]
            closed = _closed_addresses(20)
            answers = await asyncio.gather(
                *(sockets.ask(each.address, b"live") for each in live),
                *(sockets.ask(each.address, b"silent", timeout=1.0) for each in silent),
                *(sockets.ask(address, b"closed", retries=0) for address in closed),
                return_exceptions=True,
            )
            assert answers[:25] == [b"live"] * 25
            assert [type(each) for each in answers[25:30]] == [asyncio.TimeoutError] * 5
            assert [type(each) for each in answers[30:]] == [DestinationUnreachable] * 20
            told = [each.address for each in answers if isinstance(each, DestinationUnreachable)]
            assert told == [each[:2] for each in closed]
            cause = getattr(answers[-1], "__cause__", None)
            assert isinstance(cause, (ConnectionResetError, ConnectionRefusedError))
        assert listening.errors == []
        counts = sockets.counters
        assert (counts["answered"], counts["timed_out"], counts["unreachable"]) == (25, 5, 20)
        assert counts["opened"] == 50
        assert counts["resent"] == 10  # to the silent; who is not there was asked once
        listening.transport.close()

    ask(main)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def test_many_questions_of_one_server_are_told_apart_and_share_a_socket(ask, family):
    async def main(sockets):
        async with server(family=family) as asked:
            questions = [b"%d?" % number for number in range(50)]
            answers = await asyncio.gather(
                *(sockets.ask(asked.address, each, match=each.__eq__) for each in questions)
            )
            assert answers == questions
            assert len(set(asked.ports)) == 1
            assert asked.ports[0] != asked.address[1]

    ask(main)


def test_who_does_not_answer_is_asked_again_and_late_answers_are_counted(ask):
    async def main(sockets):
        async with server(times=2, silent=2) as asked:
            assert await sockets.ask(asked.address, b"?", wait=0.05, retries=4) == b"?"
            assert asked.asked == [b"?"] * 3
            for _ in range(100):
                await asyncio.sleep(0.01)
                if sockets.counters["unexpected"]:
                    break
            assert sockets.counters["unexpected"] == 1
            assert sockets.counters["resent"] == 2

    ask(main)


def test_a_stranger_is_not_heard(ask):
    async def main(sockets):
        async with server(silent=99) as asked:
            question = asyncio.ensure_future(sockets.ask(asked.address, b"?", timeout=0.5))
            while not asked.ports:
                await asyncio.sleep(0.01)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"forged", ("127.0.0.1", asked.ports[0]))
            with pytest.raises(asyncio.TimeoutError, match=r"did not answer within 0\.5 s"):
                await question

    ask(main)


def test_after_silence_the_next_question_has_a_new_socket(ask):
    async def main(sockets):
        async with server(silent=1) as asked:
            with pytest.raises(asyncio.TimeoutError):
                await sockets.ask(asked.address, b"?", timeout=0.2, retries=0)
            assert await sockets.ask(asked.address, b"?") == b"?"
            assert len(set(asked.ports)) == 2
            assert sockets.counters["opened"] == 2

    ask(main)


def test_an_error_ends_no_socket_and_who_comes_back_is_heard(ask):
    async def main(sockets):
        address = closed_address()
        for _ in range(3):
            with pytest.raises(DestinationUnreachable, match=str(address[1])):
                await sockets.ask(address[:2], b"?")
        loop = asyncio.get_running_loop()
        transport, back = await loop.create_datagram_endpoint(Server, local_addr=address[:2])
        assert await sockets.ask(address[:2], b"?") == b"?"
        assert sockets.counters["opened"] == 1
        assert back.asked == [b"?"]
        transport.close()

    ask(main)


def test_who_finds_no_room_waits_in_order_until_a_socket_is_idle(ask):
    async def main(sockets):
        async with contextlib.AsyncExitStack() as stack:
            silent = [await stack.enter_async_context(server(silent=99)) for _ in range(2)]
            live = [await stack.enter_async_context(server()) for _ in range(3)]
            late = [
                asyncio.ensure_future(sockets.ask(each.address, b"?", timeout=0.3, retries=0))
                for each in silent
            ]
            await asyncio.sleep(0.05)
            ends: list[int] = []

            async def wait(number):
                ends.append(number if await sockets.ask(live[number].address, b"?") else -1)

            waiting = [asyncio.ensure_future(wait(number)) for number in range(3)]
            await asyncio.sleep(0.05)
            waiting[1].cancel()  # who gives up keeps nobody
            await asyncio.gather(*late, *waiting, return_exceptions=True)
            assert ends == [0, 2]
            with pytest.raises(asyncio.TimeoutError):  # for want of room, too
                await asyncio.gather(
                    *(sockets.ask(each.address, b"?", timeout=0.3) for each in silent),
                    sockets.ask(live[0].address, b"?", timeout=0.1),
                )

    ask(main, limit=2)


def test_an_idle_socket_is_closed_and_nothing_is_left_at_the_end(ask):
    async def main(sockets):
        async with server() as asked:
            assert await sockets.ask(asked.address, b"?") == b"?"
            while not sockets.counters["closed"]:
                await asyncio.sleep(0.01)
            question = asyncio.ensure_future(sockets.ask(closed_address()[:2], b"?", retries=0))
            cancelled = asyncio.ensure_future(sockets.ask(asked.address, b"?"))
            await asyncio.sleep(0)
            cancelled.cancel()
            await sockets.close()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            with pytest.raises((ConnectionAbortedError, RuntimeError)):
                await question
            with pytest.raises(RuntimeError, match="closed"):
                await sockets.ask(asked.address, b"?")
        counts = sockets.counters
        assert counts["opened"] == counts["closed"]

    ask(main, idle=0.05)


async def never(_: bytes) -> bool:
    return False


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"timeout": 0}, ValueError, "timeout=0: allowed is a number from 0.001 to 3600"),
        ({"timeout": "1"}, TypeError, "timeout='1'"),
        ({"retries": -1}, ValueError, "retries=-1: allowed is a whole number from 0 to 20"),
        ({"retries": 1.5}, TypeError, "retries=1.5: allowed is a whole number from 0 to 20"),
        ({"wait": 0}, ValueError, "wait=0"),
        ({"wait": 10**5000}, ValueError, r"wait=(int\(…\)|10*): allowed is a number from"),
        ({"address": [10**5000]}, ValueError, r"address=(list\(…\)|\[10.*): allowed are a host"),
        ({"data": "text"}, TypeError, "data: allowed are bytes, not str"),
        ({"address": ("127.0.0.1", 0)}, ValueError, "port=0: allowed is a whole number from 1 to"),
        ({"address": None}, TypeError, "address=None: allowed are a host, a name or an address,"),
        ({"address": "127.0.0.1"}, TypeError, "address='127.0.0.1': allowed are"),
        ({"address": ("127.0.0.1", 1, 2)}, ValueError, r"address=\('127.0.0.1', 1, 2\): allowed"),
        ({"address": (5, 9)}, TypeError, r"address=\(5, 9\): allowed"),
        ({"address": (None, 9)}, TypeError, r"address=\(None, 9\): allowed"),
        (
            {"match": 5},
            TypeError,
            "match=5, no function: allowed is a function that returns",
        ),
        ({"match": never}, TypeError, "match=never, an async one: allowed is a function"),
    ],
)
def test_what_is_not_allowed_is_refused(ask, options, error, says):
    async def main(sockets):
        asked = {"address": ("127.0.0.1", 9), "data": b"?", **options}
        with pytest.raises(error, match=says):
            await sockets.ask(**asked)
        assert sockets.counters["asked"] == 0

    ask(main)
    with pytest.raises(ValueError, match="limit=65: allowed is a whole number from 1 to 64"):
        RequestSockets(limit=65)


def test_what_match_raises_is_its_askers(ask):
    async def main(sockets):
        async with server() as asked:
            with pytest.raises(ZeroDivisionError):
                await sockets.ask(asked.address, b"?", match=lambda data: len(data) // 0 > 0)

    ask(main)


@pytest.mark.parametrize("raised", [asyncio.CancelledError, StopIteration])
def test_what_a_future_cannot_hold_as_its_error_match_may_raise_too(ask, raised):
    def match(_: bytes) -> bool:
        raise raised

    async def main(sockets):
        async with server() as asked:
            with pytest.raises(RuntimeError, match=f"match raised {raised.__name__}"):
                await sockets.ask(asked.address, b"?", match=match, timeout=1)

    ask(main)


def test_without_match_an_answer_to_an_earlier_question_is_nobodys(ask):
    class Slow(Server):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            loop = asyncio.get_running_loop()
            loop.call_later(0.2, self.transport.sendto, data, addr)

    async def main(sockets):
        loop = asyncio.get_running_loop()
        transport, asked = await loop.create_datagram_endpoint(Slow, local_addr=("127.0.0.1", 0))
        # Sent twice, and answered twice: the second answer comes when the next question waits.
        first = await sockets.ask(asked.address, b"first", wait=0.1, retries=1, timeout=5)
        assert first == b"first"
        assert await sockets.ask(asked.address, b"next", retries=0, timeout=5) == b"next"
        transport.close()

    ask(main)


@pytest.mark.parametrize("together", [1, 5])
def test_a_socket_on_which_nothing_is_heard_is_replaced_whoever_gives_up(ask, together):
    async def main(sockets):
        async with server(silent=99) as asked:
            for _ in range(3):
                given_up = [
                    asyncio.wait_for(sockets.ask(asked.address, b"?", timeout=5), 0.1)
                    for _ in range(together)
                ]
                await asyncio.gather(*given_up, return_exceptions=True)
            assert sockets.counters["opened"] == 3

    ask(main)


def test_a_datagram_that_is_too_large_is_its_own_questions_error(ask):
    async def main(sockets):
        async with server() as asked:
            answers: Any = await asyncio.gather(
                sockets.ask(asked.address, b"good", match=b"good".__eq__),
                sockets.ask(asked.address, bytes(70_000), match=lambda _: False, retries=0),
                return_exceptions=True,
            )
            assert answers[0] == b"good"
            assert isinstance(answers[1], OSError)
            assert not isinstance(answers[1], DestinationUnreachable)

    ask(main)


@pytest.mark.parametrize("name", ["a" * 64 + ".org", "..", "\ud800"], ids=["long", "dots", "half"])
def test_what_can_be_no_name_is_not_known(ask, name):
    async def main(sockets):
        with pytest.raises(socket.gaierror):
            await sockets.ask((name, 80), b"?", timeout=5)

    ask(main)
