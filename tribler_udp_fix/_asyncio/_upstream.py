"""Which of the catalogue's faults this CPython's own asyncio has, told by its code.

A version tells too little: 3.14.8 and 3.15.0 have one of the three repairs that 3.14.10 has, and
3.15.2 five. So the stock functions are run here, off the event loop and within a millisecond, with
a proactor that posts nothing and a socket that is none. What wrapt has put around them is taken off
first. `doctor` tries the same with real sockets; the tests compare the two on every Python.
"""

from __future__ import annotations

import collections
import inspect
import sys
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any, Callable

ERROR_PORT_UNREACHABLE = 1234
WSAECONNRESET = 10054
WSAENETRESET = 10052
WSAEINVAL = 10022
WSAENOTCONN = 10057

PEER = ("127.0.0.1", 9)
DATAGRAMS = [b"first", b"second", b"third"]


def has_fault(fault: str) -> bool | None:
    """Whether this CPython has the *fault*, such as "F1", when nothing repairs it.

    None where that cannot be told: asyncio is not imported, it has no Proactor, or its code is not
    one that is known. Raises KeyError for another fault. It imports nothing, so that a lock may be
    held meanwhile, opens no socket, and may be called from any thread.
    """
    look = _LOOKS[fault]
    if sys.platform != "win32":
        return None
    try:
        return look()
    except Exception:  # code that is not known may raise anything
        return None


def _an_error_ends_a_waiting_receive() -> bool:
    return not _Reading(completion=_completion("recvfrom")).goes_on()


def _an_error_fails_the_next_receive() -> bool:
    return not _Reading(posting=_windows_error(WSAECONNRESET)).goes_on()


def _an_error_deafens_a_connected_socket() -> bool:
    return not _Reading(completion=_completion("recv"), address=PEER).goes_on()


def _another_error_deafens() -> bool:
    return not _Reading(completion=_windows_error(WSAENETRESET)).goes_on()


def _a_write_error_strands_the_queue() -> bool:
    writing = _Writing()
    writing.fails = DATAGRAMS[1]
    writing.send_all()
    return writing.sent != [DATAGRAMS[0], DATAGRAMS[2]]


def _close_drops_the_queue() -> bool:
    writing = _Writing()
    writing.send_all(close=True)
    return writing.sent != DATAGRAMS or writing.lost != [None]


def _the_write_buffer_grows() -> bool:
    writing = _Writing()
    writing.send_all()
    return bool(writing.transport.get_write_buffer_size())


def _an_empty_datagram_is_lost() -> bool:
    reading = _Reading(completion=(b"", PEER))
    reading.goes_on()
    return reading.heard != [b""]


def _sock_recvfrom_ends_with_an_error() -> bool:
    loops: Any = sys.modules["asyncio.proactor_events"]
    method: Any = getattr(loops.BaseProactorEventLoop, "sock_recvfrom", None)
    if method is None:  # before 3.11
        return False
    received = [_Done(_completion("recvfrom")), _Done((DATAGRAMS[0], PEER))]
    proactor = SimpleNamespace(recvfrom=lambda *_: received.pop(0))
    loop = SimpleNamespace(_proactor=proactor, _debug=False)
    call = inspect.unwrap(method)(loop, _Socket(), 100)
    try:
        call.send(None)
    except StopIteration as end:
        return bool(end.value != (DATAGRAMS[0], PEER))
    except OSError:
        return True
    call.close()
    raise LookupError("it waits for something else")


def _an_ipv6_pair_is_no_address() -> bool:
    _overlapped: Any = sys.modules["_overlapped"]
    try:  # The address is read first: no socket is needed to tell whether it is refused.
        _overlapped.Overlapped(_overlapped.NULL).WSASendTo(0, b"", 0, ("::1", 9))
    except OSError as exc:
        return _number(exc) == WSAEINVAL
    raise LookupError("it sent a datagram through no socket")


def _a_remote_address_is_taken_for_a_connection() -> bool:
    writing = _Writing(address=PEER)
    writing.send_all()
    return writing.sent != DATAGRAMS


_LOOKS: dict[str, Callable[[], bool]] = {
    "F1": _an_error_ends_a_waiting_receive,
    "F2": _an_error_fails_the_next_receive,
    "F3": _an_error_deafens_a_connected_socket,
    "F4": _another_error_deafens,
    "F5": _a_write_error_strands_the_queue,
    "F6": _close_drops_the_queue,
    "F7": _the_write_buffer_grows,
    "F8": _an_empty_datagram_is_lost,
    "F9": _sock_recvfrom_ends_with_an_error,
    "F10": _an_ipv6_pair_is_no_address,
    "F23": _a_remote_address_is_taken_for_a_connection,
}


class _Loop:
    """A turn of an event loop, and a proactor that posts nothing."""

    def __init__(self) -> None:
        self._proactor = self
        self.ready: collections.deque[tuple[Callable[..., Any], Any]] = collections.deque()
        self.posted: list[_Done] = []

    def call_soon(self, callback: Callable[..., Any], *args: Any, **_: Any) -> None:
        self.ready.append((callback, args))

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        pass

    def turn(self) -> None:
        """Run what was asked for, for so many turns as any of the known codes needs."""
        for _ in range(8):
            if self.ready:
                callback, args = self.ready.popleft()
                callback(*args)


class _Endpoint(_Loop):
    """A stock datagram transport on such a loop, and the protocol that it calls."""

    def __init__(self, address: Any = None) -> None:
        super().__init__()
        self.heard: list[bytes] = []
        self.errors: list[Exception] = []
        self.lost: list[Exception | None] = []
        loops: Any = sys.modules["asyncio.proactor_events"]
        cls = loops._ProactorDatagramTransport
        self.transport = transport = cls.__new__(cls)
        transport.__dict__.update(
            _address=address,
            _buffer=collections.deque(),
            _buffer_size=0,
            _called_connection_lost=False,
            _closing=False,
            _conn_lost=0,
            _empty_waiter=None,
            _eof_written=False,
            _extra={},
            _pending_write=0,
            _protocol=self,
            _read_fut=None,
            _server=None,
            _sock=None,  # or its __del__ says that it was never closed
            _write_fut=None,
        )
        transport._loop = self
        transport._protocol_paused = False
        transport._set_write_buffer_limits()

    def datagram_received(self, data: bytes, _: Any) -> None:
        self.heard.append(data)

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)

    def pause_writing(self) -> None:
        pass

    def resume_writing(self) -> None:
        pass


class _Reading(_Endpoint):
    """One receive, that ends with *completion*; or one whose *posting* fails at once."""

    def __init__(
        self, completion: Any = None, posting: OSError | None = None, address: Any = None
    ) -> None:
        super().__init__(address)
        self._completion = completion
        self._posting = posting

    def goes_on(self) -> bool:
        """Whether the transport receives again after that, having reported an error once."""
        outcome = self._completion
        waiting = None if outcome is None else _Done(outcome)
        self.transport._read_fut = waiting
        self.transport._loop_reading(waiting)
        self.turn()
        return bool(self.posted) and len(self.errors) == 1

    def recvfrom(self, *_: Any) -> _Done:
        if self._posting is not None:
            failure, self._posting = self._posting, None
            raise failure
        self.posted.append(_Done(None))
        return self.posted[-1]

    recv = recvfrom


class _Writing(_Endpoint):
    """Three datagrams that wait for each other, none of which reaches a socket."""

    fails: bytes | None = None

    def __init__(self, address: Any = None) -> None:
        super().__init__(address)
        self.sent: list[bytes] = []

    def send_all(self, close: bool = False) -> None:
        transport = self.transport
        transport._sock = _Socket()
        try:
            for data in DATAGRAMS:
                transport.sendto(data, PEER)
            if close:
                transport.close()
            while self.posted:
                self.posted.pop(0).complete()
                self.turn()
            self.turn()
        finally:
            transport._sock = None

    def sendto(self, _: Any, data: bytes, *__: Any, **___: Any) -> _Done:
        if data == self.fails:
            raise _windows_error(WSAEINVAL)
        self.sent.append(bytes(data))
        self.posted.append(_Done(len(data)))
        return self.posted[-1]

    def send(self, *_: Any, **__: Any) -> _Done:
        raise _windows_error(WSAENOTCONN)


class _Socket:
    """No socket, for code that asks one for little."""

    def gettimeout(self) -> float:
        return 0.0

    def fileno(self) -> int:
        return -1

    def shutdown(self, _: int) -> None:
        pass

    def close(self) -> None:
        pass


class _Done:
    """A future with this *outcome*: an exception to raise, or a result."""

    def __init__(self, outcome: Any) -> None:
        self._outcome = outcome
        self._callbacks: list[Callable[[Any], Any]] = []

    def result(self) -> Any:
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    getresult = result  # an overlapped operation's

    def __await__(self) -> Any:
        yield from ()
        return self.result()

    def add_done_callback(self, callback: Callable[[Any], Any], **_: Any) -> None:
        self._callbacks.append(callback)

    def cancel(self, **_: Any) -> bool:
        return False

    def complete(self) -> None:
        for callback in self._callbacks:
            callback(self)


def _completion(kind: str) -> Any:
    """What a waiting receive ends with after an ICMP error: an exception, or a result."""
    windows: Any = sys.modules["asyncio.windows_events"]
    proactor = windows.IocpProactor
    post = inspect.unwrap(vars(proactor)[kind])
    names = set(post.__code__.co_names)
    failed = _Done(_windows_error(ERROR_PORT_UNREACHABLE))
    try:
        if "_finish_recvfrom" in names:
            return proactor._finish_recvfrom(None, None, failed, empty_result=b"")
        if "finish_socket_func" in names:
            return proactor.finish_socket_func(None, None, failed)
        finish = next(
            code
            for code in post.__code__.co_consts
            if isinstance(code, CodeType) and code.co_name == "finish_recv"
        )
        return FunctionType(finish, post.__globals__)(None, None, failed)
    except OSError as exc:
        return exc


def _windows_error(number: int) -> OSError:
    """The exception that asyncio meets for a Win32 or Winsock *number*."""
    return OSError(0, "", None, number)


def _number(exc: OSError) -> int:
    number: int = getattr(exc, "winerror", None) or 0
    return number
