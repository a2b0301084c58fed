"""A pool of connected sockets: one for each public server that is asked something."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import reprlib
import socket
from typing import Any, Coroutine, Sequence

from tribler_udp_fix._arguments import check_function, shown
from tribler_udp_fix._pool._destination import Destination, DestinationUnreachable, Match, Question

MOST = 64  # SelectorEventLoop on Windows has 512 in all, for everything
MOST_RETRIES = 20
_COUNTED = (
    *("asked", "answered", "timed_out", "unreachable", "resent"),
    *("unexpected", "errors", "opened", "closed"),
)


class RequestSockets:
    """Asks public servers (trackers, DNS, STUN) by UDP, each from a connected socket of its own.

    An ICMP error is then the error of that server alone, and never reaches the endpoint at which
    the program listens; the source port is random, and only the server itself can answer. Never
    send a community's signed datagrams from here: peers would take this socket's port for the
    node's, and those of the node's own socket would change it back.

    *limit* is how many sockets are open at a time, 1 to 64; who asks one server more waits, in
    order, until one is idle. *idle* is after how many seconds without a question a socket is
    closed, 0 to 3600. Raises TypeError or ValueError for what is not allowed.

    Use it as an asynchronous context manager, or call ``close()``. Ask on one event loop.
    """

    def __init__(self, limit: int = MOST, idle: float = 30.0) -> None:
        _check("limit", limit, int, 1, MOST)
        _check("idle", idle, (int, float), 0, 3600)
        self._limit = limit
        self._idle = idle
        self._open: dict[Any, Destination] = {}  # the one that was used last comes last
        # In order, and for which address; each that gives up is taken out, wherever it stands.
        self._waiting: collections.OrderedDict[asyncio.Event, Any] = collections.OrderedDict()
        self._counts = dict.fromkeys(_COUNTED, 0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def __aenter__(self) -> RequestSockets:
        """Nothing is opened before the first question."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    @property
    def counters(self) -> dict[str, int]:
        """What has happened so far.

        Questions ``asked``, ``answered``, ``timed_out`` and ``unreachable``; datagrams ``resent``;
        answers that were ``unexpected``: late, double, or nobody's; ICMP and other ``errors``;
        sockets ``opened`` and ``closed``.
        """
        return dict(self._counts)

    async def ask(
        self,
        address: tuple[str, int],
        data: bytes,
        *,
        match: Match | None = None,
        timeout: float = 15.0,
        retries: int = 2,
        wait: float | None = None,
    ) -> bytes:
        """Send *data* to *address*, host (a name or an address) and port; return the answer.

        Of a name's addresses the first is asked that a way leads to.

        *match* is called with each datagram that the server sends, and says whether it answers this
        question: needed where several are asked of one server at a time, or it may answer twice.
        *timeout* is how many seconds all of it may take. The same bytes are sent again, at most
        *retries* times: after *wait* seconds, and then after twice as long each time; by default so
        that the waits together are the time-out.

        Raises ``asyncio.TimeoutError`` where nobody answers, DestinationUnreachable at the first
        ICMP error, ``socket.gaierror`` where a name is not known, what *match* raises, TypeError or
        ValueError for what is not allowed, RuntimeError once it is closed.
        """
        _check("timeout", timeout, (int, float), 0.001, 3600)
        _check("retries", retries, int, 0, MOST_RETRIES)
        if wait is not None:
            _check("wait", wait, (int, float), 0.001, 3600)
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data: allowed are bytes, not {type(data).__name__}")
        _check_address(address)
        check_function("match", match)
        self._is_usable()
        self._counts["asked"] += 1
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        try:
            answer = await self._ask(address, bytes(data), match, end, timeout, retries, wait)
        except asyncio.TimeoutError:
            self._counts["timed_out"] += 1
            raise
        except DestinationUnreachable:
            self._counts["unreachable"] += 1
            raise
        self._counts["answered"] += 1
        return answer

    async def close(self) -> None:
        """Close every socket. What has not been answered fails with ConnectionAbortedError.

        Twice is once. On another event loop it waits for the sockets' own to do it, in whichever
        thread that runs; where it runs no more it does so when it runs again, and where it was
        closed the sockets are closed without it.
        """
        self._closed = True  # for whoever asks from now on
        loop = self._loop
        if loop is None or loop is asyncio.get_running_loop():
            self._close_all()
            await asyncio.sleep(0)  # the transports' own last turn
        elif loop.is_closed():
            for destination in self._open.values():
                destination.abandon()
            self._open.clear()
        else:
            loop.call_soon_threadsafe(self._close_all)
            while self._open and loop.is_running():
                await asyncio.sleep(0.01)

    def _close_all(self) -> None:
        for waiting in self._waiting:
            waiting.set()
        for destination in list(self._open.values()):
            destination.close(ConnectionAbortedError("the sockets were closed"))
        self._open.clear()

    async def _ask(
        self,
        address: tuple[str, int],
        data: bytes,
        match: Match | None,
        end: float,
        timeout: float,
        retries: int,
        wait: float | None,
    ) -> bytes:
        loop = asyncio.get_running_loop()
        destination, question = await self._reach(address, match, end)
        try:
            for number, pause in enumerate(_waits(max(0.0, end - loop.time()), retries, wait)):
                destination.send(question, data)
                self._counts["resent"] += number > 0
                done, _ = await asyncio.wait({question.answer}, timeout=pause)
                if done:
                    return question.answer.result()
            text = f"{address[0]} port {address[1]} did not answer within {timeout:g} s"
            raise asyncio.TimeoutError(text)
        finally:
            self._forget(destination, question)

    async def _reach(
        self, address: tuple[str, int], match: Match | None, end: float
    ) -> tuple[Destination, Question]:
        """The first destination of this name that a way leads to, and the question that it has."""
        *others, last = await _within(_resolve(address), end)
        for each in others:  # no way may lead there, as to those of IPv6 where there is none
            with contextlib.suppress(DestinationUnreachable):
                return await self._reach_one(each, match, end)
        return await self._reach_one(last, match, end)

    async def _reach_one(
        self, found: tuple[int, Any], match: Match | None, end: float
    ) -> tuple[Destination, Question]:
        destination = await self._enter(*found, end)
        question = Question(asyncio.get_running_loop().create_future(), match)
        destination.ask(question)
        try:
            await _within(destination.open(question, self._has_room), end)
        except BaseException:  # a cancelled one, too, must not keep its destination open
            self._forget(destination, question)
            raise
        return destination, question

    def _forget(self, destination: Destination, question: Question) -> None:
        destination.forget(question)
        if question.answer.done() and not question.answer.cancelled():
            question.answer.exception()  # is seen, though its asker was cancelled
        self._leave(destination)

    async def _enter(self, family: int, address: Any, end: float) -> Destination:
        """The destination of *address*, kept open until ``_leave()``."""
        if address not in self._open:
            await self._wait_for_room(address, end)
        if self._closed:  # meanwhile
            raise ConnectionAbortedError("the sockets were closed")
        if address not in self._open:
            self._open[address] = Destination(family, address, self._count)
        destination = self._open[address] = self._open.pop(address)
        destination.users += 1
        if destination.idle is not None:
            destination.idle.cancel()
            destination.idle = None
        return destination

    def _leave(self, destination: Destination) -> None:
        destination.users -= 1
        if destination.users or self._open.get(destination.address) is not destination:
            self._wake_next()  # it may have had a second socket
            return
        if self._waiting:
            self._end(destination)
            self._wake_next()
        else:
            loop = asyncio.get_running_loop()
            destination.idle = loop.call_later(self._idle, self._end, destination)

    async def _wait_for_room(self, address: Any, end: float) -> None:
        """Wait, in order, until one socket more may be opened, or *address* has one."""
        mine = asyncio.Event()
        self._waiting[mine] = address
        try:
            while not (self._closed or address in self._open):
                if next(iter(self._waiting)) is mine and self._has_room():
                    for waiting, wanted in self._waiting.items():
                        if wanted == address:  # they have a socket by then
                            waiting.set()
                    return
                mine.clear()
                await _within(mine.wait(), end)
        finally:
            del self._waiting[mine]
            self._wake_next()  # there may be room for one more

    def _wake_next(self) -> None:
        """Let the first that waits look for room. The others would look in vain."""
        if self._waiting:
            next(iter(self._waiting)).set()

    def _has_room(self) -> bool:
        """Whether one socket more may be opened, for which one that is idle may be closed."""
        if sum(each.sockets for each in self._open.values()) < self._limit:
            return True
        idle = next((each for each in self._open.values() if not each.users), None)
        if idle is not None:
            self._end(idle)
        return idle is not None

    def _end(self, destination: Destination) -> None:
        del self._open[destination.address]
        destination.close(ConnectionAbortedError("nobody asks any more"))

    def _count(self, what: str) -> None:
        self._counts[what] += 1

    def _is_usable(self) -> None:
        if self._closed:
            raise RuntimeError("the sockets were closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("allowed is one event loop: the one that asked first")


async def _within(coroutine: Coroutine[Any, Any, Any], end: float) -> Any:
    """What *coroutine* returns, until *end* by the loop's clock.

    Not ``wait_for()``: up to Python 3.11 that may swallow a cancellation.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(coroutine)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # is seen
    try:
        await asyncio.wait({task}, timeout=max(0.0, end - loop.time()))
        if not task.done():
            raise asyncio.TimeoutError("out of time before anything was asked")
        return task.result()
    finally:
        task.cancel()


async def _resolve(address: tuple[str, int]) -> list[tuple[int, Any]]:
    """Each family, and address as a socket takes it, once; raises socket.gaierror."""
    host, port = address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):  # a name: to ask for it takes its time
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except UnicodeError as exc:  # no name can be like that
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r}: {exc}") from exc
    return list(dict.fromkeys((family, resolved) for family, _, _, _, resolved in found))


def _waits(seconds: float, retries: int, first: float | None) -> Sequence[float]:
    """How long to wait after each time of sending, within so many *seconds*."""
    if first is None:
        first = seconds / (2 ** (retries + 1) - 1)
    waits: list[float] = []
    for number in range(retries + 1):
        left = seconds - sum(waits)
        if left <= 0 and waits:
            break
        waits.append(left if number == retries else min(first * 2**number, left))
    return waits


def _check(name: str, value: Any, kind: Any, lowest: float, highest: float) -> None:
    number = "a whole number" if kind is int else "a number"
    allowed = f"{name}={shown(value)}: allowed is {number} from {lowest:g} to {highest:g}"
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(allowed)
    if not lowest <= value <= highest:
        raise ValueError(allowed)


def _check_address(value: Any) -> None:
    told = shown(value, reprlib.repr)
    allowed = f"address={told}: allowed are a host, a name or an address, and a port"
    if not isinstance(value, (tuple, list)):
        raise TypeError(allowed)
    if len(value) != 2:
        raise ValueError(allowed)
    if not isinstance(value[0], (str, bytes)):
        raise TypeError(allowed)
    _check("port", value[1], int, 1, 65_535)
