"""One destination, its connected socket, and the questions that it has not answered yet."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import secrets
import socket
import sys
from typing import Any, Callable

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._interfaces import Interface
from tribler_udp_fix._asyncio._transports import adopt
from tribler_udp_fix._settings import current_settings

Match = Callable[[bytes], bool]

# The ports that RFC 6335 leaves to whoever comes: Windows gives them in order, so that a stranger
# who has seen one knows the next.
_PORTS = range(49_152, 65_536)
_TRIES = 8
# Errors of a datagram, not of its destination; WSAEMSGSIZE and WSAENOBUFS on Windows.
_LOCAL = (errno.EMSGSIZE, errno.ENOBUFS, 10040, 10055)


class DestinationUnreachable(OSError):
    """An ICMP error said that nobody is there, or the system knows no way to there.

    ``address`` is the destination, host and port; ``errno``, and on Windows ``winerror``, are those
    of the error, which is the ``__cause__``.
    """

    def __init__(self, address: tuple[Any, ...], cause: OSError) -> None:
        number = getattr(cause, "winerror", None)
        text = f"{address[0]} port {address[1]}: {cause.strerror or cause}"
        super().__init__(*((0, text, None, number) if number else (cause.errno, text)))
        self.address = address[:2]
        self.__cause__ = cause

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is copied and pickled: OSError would call ``__init__()`` with its own ``args``."""
        made_of = type(self), self.args, getattr(self, "winerror", None), self.__cause__
        return _again, made_of, self.__dict__


def _again(
    cls: type[DestinationUnreachable],
    args: tuple[Any, ...],
    winerror: int | None,
    cause: BaseException | None,
) -> DestinationUnreachable:
    error = cls.__new__(cls)
    OSError.__init__(error, *((0, args[1], None, winerror) if winerror else args))
    error.__cause__ = cause
    return error


class Question:
    """One question: its *answer* is a future; *match* knows it, None takes whatever comes."""

    def __init__(self, answer: asyncio.Future[bytes], match: Match | None) -> None:
        self.answer = answer
        self.sent = 0
        # The connections that it was sent on, and what each had heard when it first was.
        self.heard: dict[Connection, int] = {}
        self._match = match

    @property
    def takes_all(self) -> bool:
        """Whether whatever comes is its answer."""
        return self._match is None

    def takes(self, data: bytes) -> bool:
        """Whether *data* is its answer; what ``match`` raises is the answer, too."""
        if self.answer.done():
            return False
        try:
            if self._match is not None and not self._match(data):
                return False
        except (Exception, asyncio.CancelledError) as exc:  # the asker's own
            # No future takes the one, and the other would seem to be the asker's cancellation.
            unfit = isinstance(exc, (StopIteration, asyncio.CancelledError))
            self.answer.set_exception(RuntimeError(f"match raised {exc!r}") if unfit else exc)
            return True
        self.answer.set_result(data)
        return True

    def fails(self, exc: BaseException) -> None:
        """End it with *exc*, if it has no end yet."""
        if not self.answer.done():
            self.answer.set_exception(exc)


class Connection(asyncio.DatagramProtocol):
    """One socket of *destination*, which it tells what happens on it."""

    def __init__(self, destination: Destination) -> None:
        self.heard = 0
        self.silent = 0  # questions in a row during which nothing was heard
        self.owes = False  # whether an answer may come yet that nobody waits for
        self.asked = False
        self.sending: Question | None = None
        self.transport: Any = None
        self.socket: socket.socket | None = None  # the transport's
        self._destination = destination

    def datagram_received(self, data: bytes, _addr: Any) -> None:
        """An answer, or one that comes late, or twice."""
        self.heard += 1
        self._destination.hear(self, data)

    def error_received(self, exc: Exception) -> None:
        """Nobody is there."""
        if isinstance(exc, OSError):
            self._destination.refuse(self, exc)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket has died."""
        if exc is not None:
            self._destination.lose(self, exc)


class Destination:
    """Who is asked at *address*, as ``getaddrinfo()`` has it, from a connected socket.

    *count* is called with the name of what happened.
    """

    def __init__(self, family: int, address: Any, count: Callable[[str], object]) -> None:
        self.address = address
        self.users = 0  # that ask, or are about to
        self.idle: asyncio.TimerHandle | None = None
        self._family = family
        self._count = count
        self._questions: list[Question] = []
        self._current: Connection | None = None
        # Whether more has come than was asked for: it may again.
        self._answers_twice = False
        # The one before it, while questions that were sent on it may yet be answered there.
        self._former: Connection | None = None
        self._opening: asyncio.Future[Any] | None = None
        self._ended = False

    @property
    def sockets(self) -> int:
        """How many it has, or is about to have."""
        return 1 if self._former is None else 2

    async def open(self, question: Question, has_room: Callable[[], bool]) -> None:
        """Have a socket to ask *question* on; raises DestinationUnreachable if no way leads there.

        *has_room* tells whether there may be one socket more: if not, one that others wait for
        is not replaced.
        """
        current = self._current
        if current is not None and self._is_doubtful(current, question):
            if not self._is_awaited(current):
                self._current = None
                self._close(current)
            elif self._former is None and has_room():
                self._current, self._former = None, current
        if self._current is not None:
            return
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
            self._opening.add_done_callback(self._opened)
        # One asker that gives up must not take it from the others.
        await asyncio.shield(self._opening)

    def _is_doubtful(self, connection: Connection, question: Question) -> bool:
        """Whether the socket may be deaf, or what comes on it the answer to another question."""
        if connection.silent > (0 if self.users == 1 else 1):
            return True
        if self.users > 1 or not question.takes_all:
            return False
        return connection.owes or (self._answers_twice and connection.asked)

    def _is_awaited(self, connection: Connection) -> bool:
        return any(connection in question.heard for question in self._questions)

    async def _open(self) -> None:
        sock = _connected(self._family, self.address)
        connection = Connection(self)
        try:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: connection, sock=sock)
        except BaseException:
            sock.close()
            raise
        if self._ended:
            transport.abort()
            raise ConnectionAbortedError("the sockets were closed")
        # Also where the plugin was never installed: an error must not end it.
        connection.transport = adopt(transport, current_settings()) or transport
        connection.socket = sock
        self._current = connection
        self._count("opened")

    def _opened(self, opening: asyncio.Future[Any]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # is seen, though everybody who asked may have given up

    def ask(self, question: Question) -> None:
        """Take *question* in."""
        self._questions.append(question)

    def forget(self, question: Question) -> None:
        """Let go of it, answered or not."""
        self._questions.remove(question)
        answered = question.answer.done() and not question.answer.cancelled()
        for connection, heard in question.heard.items():
            connection.silent = connection.silent + 1 if heard == connection.heard else 0
            connection.owes = connection.owes or question.sent > 1 or not answered
        former = self._former
        if former is not None and not self._is_awaited(former):
            self._former = None
            self._close(former)

    def send(self, question: Question, data: bytes) -> None:
        """Send *data*, which is *question*'s."""
        connection = self._current or self._former
        if connection is not None:
            question.heard.setdefault(connection, connection.heard)
            question.sent += 1
            connection.asked = True
            connection.sending = question
            try:
                connection.transport.sendto(data)
            finally:
                connection.sending = None

    def close(self, exc: BaseException) -> None:
        """Close its sockets for good; what has not been answered fails with *exc*."""
        self._fail(exc)
        if self.idle is not None:
            self.idle.cancel()
            self.idle = None
        for connection in self._end():
            self._close(connection)

    def abandon(self) -> None:
        """Close its sockets without their event loop, which was closed before them."""
        for connection in self._end():
            if connection.socket is not None:
                connection.transport = None
                connection.socket.close()
                self._count("closed")

    def _end(self) -> list[Connection]:
        self._ended = True
        both = self._former, self._current
        self._former = self._current = None
        return [connection for connection in both if connection is not None]

    def _close(self, connection: Connection) -> None:
        transport, connection.transport = connection.transport, None
        transport.abort()
        self._count("closed")

    def hear(self, connection: Connection, data: bytes) -> None:
        """Give *data* to whose answer it is, of those that were asked on this connection."""
        asked = (question for question in self._questions if connection in question.heard)
        if not any(question.takes(data) for question in asked):
            self._answers_twice = self._answers_twice or not connection.owes
            connection.owes = True
            self._count("unexpected")
            COUNTERS.dropped("an answer that nobody waits for")

    def refuse(self, connection: Connection, exc: OSError) -> None:
        """End every question, since nobody is there; or the one that cannot be sent."""
        self._count("errors")
        if exc.errno in _LOCAL:  # that of one datagram, and no news of who is there
            if connection.sending is not None:
                connection.sending.fails(exc)
            # Else a read told of it: a router, of one too large for it, whose resend is made to
            # fit; or the system, of want of memory, after which there may be some.
            return
        connection.heard += 1
        self._fail(DestinationUnreachable(self.address, exc))

    def lose(self, connection: Connection, exc: Exception) -> None:
        """End what was asked on a socket that has died."""
        if connection is self._current:
            self._current = None
            self._fail(exc)
        elif connection is self._former:
            self._former = None
            for question in self._questions:
                if list(question.heard) == [connection]:
                    question.fails(exc)
        else:
            return
        self._count("closed")

    def _fail(self, exc: BaseException) -> None:
        for question in self._questions:
            question.fails(exc)


def _connected(family: int, address: Any) -> socket.socket:
    """A socket at a random port that hears *address* alone; raises OSError."""
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as exc:
        if exc.errno != errno.EAFNOSUPPORT:
            raise
        raise DestinationUnreachable(address, exc) from exc  # such as without any IPv6
    try:
        sock.setblocking(False)
        if sys.platform == "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        try:
            _bind(sock, _host(sock, address))
            sock.connect(address)
        except OSError as exc:
            raise DestinationUnreachable(address, exc) from exc
    except BaseException:
        sock.close()
        raise
    return sock


def _host(sock: socket.socket, address: Any) -> str:
    """Where to bind *sock*, which keeps to the interface that is set; raises OSError."""
    interface = Interface.named(current_settings().bind_interface)
    remote = ipaddress.ip_address(address[0].partition("%")[0])
    if interface is not None and not remote.is_loopback:
        return str(interface.take(sock, address, connects=True)[0])
    return "::" if sock.family == socket.AF_INET6 else "0.0.0.0"


def _bind(sock: socket.socket, host: str) -> None:
    for _ in range(_TRIES):
        try:
            sock.bind((host, secrets.choice(_PORTS)))
            return
        except OSError:  # taken, or reserved
            continue
    sock.bind((host, 0))
