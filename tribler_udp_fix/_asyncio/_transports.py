"""The factories of datagram transports, replaced: each makes one of ours instead of asyncio's.

One method of each kind of event loop makes every datagram transport. What it needs to look like is
here as well, for both.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import functools
import logging
import socket
import sys
import threading
from asyncio import base_events, selector_events, transports
from time import perf_counter
from typing import Any, Callable

from tribler_udp_fix._asyncio._datagram import DatagramTransport, Maker
from tribler_udp_fix._asyncio._icmp_errors import prevent_icmp_errors
from tribler_udp_fix._asyncio._selector_transport import SelectorTransport
from tribler_udp_fix._asyncio._turns import turns_of
from tribler_udp_fix._patching._patches import OneOf, Patch, Repair, Shape
from tribler_udp_fix._settings import Settings

# The class as it was when this was imported: a program may put a subclass in its place.
_Socket = socket.socket

logger = logging.getLogger("tribler_udp_fix")

made: list[Callable[[DatagramTransport], object]] = []
"""Called with each new transport of ours, on its event loop."""

_FlowControl: Any = transports._FlowControlMixin
_SelectorLoop: Any = selector_events.BaseSelectorEventLoop
_SelectorBase: Any = selector_events._SelectorTransport  # type: ignore[attr-defined]
_SelectorStock: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]

FACTORY = ["self", "sock", "protocol", "address", "waiter", "extra"]
FLOW_CONTROL = (
    Shape(_FlowControl, "_maybe_pause_protocol", ["self"], ["get_write_buffer_size"]),
    Shape(_FlowControl, "_maybe_resume_protocol", ["self"], ["get_write_buffer_size"]),
)

_ENDPOINT = [
    "self",
    "protocol_factory",
    "local_addr",
    "remote_addr",
    "family",
    "proto",
    "flags",
    "reuse_port",
    "allow_broadcast",
    "sock",
]


def factory_patch(loop: Any, cls: Any, settings: Callable[[], Settings]) -> Patch:
    """Have the *loop* class make its datagram transports of the class *cls*."""

    def make(
        wrapped: Callable[..., Any], loop: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        current = settings()
        bound = dict(zip(FACTORY[1:], args), **kwargs)
        maker = _maker_for(bound["protocol"])
        sock: socket.socket = bound["sock"]
        if not issubclass(type(sock), _Socket):  # it only looks like one, as in asyncio's own tests
            return wrapped(*args, **kwargs)
        if current.prevent_icmp_errors:
            prevent_icmp_errors(sock)
        transport = cls(
            loop,
            sock,
            bound["protocol"],
            current.error_budget,
            current.fast_path,
            bound.get("address"),
            bound.get("waiter"),
            bound.get("extra"),
        )
        transport.maker = maker
        for tell in list(made):
            try:
                tell(transport)
            except Exception:  # a watchdog's fault must not be the program's
                logger.exception("%r was made, and is not watched", transport)
        return transport

    return Patch(loop, "_make_datagram_transport", make)


def selector_repair(settings: Callable[[], Settings]) -> Repair:
    """SelectorEventLoop's datagram transports, on every system."""
    shapes = (
        Shape(_SelectorLoop, "_make_datagram_transport", FACTORY, ["_SelectorDatagramTransport"]),
        Shape(
            _SelectorStock,
            "__init__",
            ["self", "loop", "sock", "protocol", "address", "waiter", "extra"],
            ["_add_reader", "_address", "_read_ready", "connection_made"],
        ),
        OneOf(
            (
                Shape(_SelectorBase, "__init__", _BASE, _BASE_MENTIONS),
                Shape(_SelectorBase, "__init__", [*_BASE, "context"], _BASE_MENTIONS),  # 3.15
            )
        ),
        Shape(_SelectorStock, "sendto", ["self", "data", "addr"], ["_buffer", "_fatal_error"]),
        Shape(_SelectorBase, "_fatal_error", ["self", "exc", "message"], ["_force_close"]),
        *FLOW_CONTROL,
    )
    how = "datagram transports of SelectorEventLoop are made as SelectorTransport"
    patch = factory_patch(_SelectorLoop, SelectorTransport, settings)
    return Repair(how, ("selector",), shapes, (patch,))


_BASE = ["self", "loop", "sock", "protocol", "extra", "server"]
_BASE_MENTIONS = ["_sock_fd", "_transports", "_buffer"]


def ownership_repair() -> Repair:
    """Sockets that a program makes itself are told from those that asyncio makes for it."""

    def create(
        wrapped: Callable[..., Any], _loop: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        for call in list(opening):
            call()
        maker = Maker.ASYNCIO if kwargs.get("sock") is None else Maker.PROGRAM
        if args:
            args = (functools.partial(_make_protocol, args[0], maker), *args[1:])
        elif "protocol_factory" in kwargs:
            factory = functools.partial(_make_protocol, kwargs["protocol_factory"], maker)
            kwargs = {**kwargs, "protocol_factory": factory}
        return wrapped(*args, **kwargs)

    base: Any = base_events.BaseEventLoop
    name = "create_datagram_endpoint"
    mentions = ["_make_datagram_transport"]
    before_3_11 = [*_ENDPOINT[:7], "reuse_address", *_ENDPOINT[7:]]
    shapes = (
        OneOf(
            (
                Shape(base, name, before_3_11, mentions, coroutine=True),
                Shape(base, name, _ENDPOINT, mentions, coroutine=True),
            )
        ),
    )
    how = "sockets of the program's own are known"
    return Repair(how, ("selector",), shapes, (Patch(base, name, create),))


opening: list[Callable[[], object]] = []
"""Called before each endpoint is made."""


class _LastProtocol(threading.local):
    """That of the newest endpoint, from when it is made to when its transport is: in one step."""

    made: tuple[Any, Maker] | None = None


_last = _LastProtocol()


def _make_protocol(factory: Callable[[], Any], maker: Maker) -> Any:
    protocol = factory()
    _last.made = protocol, maker
    return protocol


def _maker_for(protocol: Any) -> Maker:
    """Who makes the socket of the endpoint that *protocol* was made for.

    Where create_datagram_endpoint() is not known, or is not what calls it, nobody knows.
    """
    made, _last.made = _last.made, None
    return made[1] if made is not None and made[0] is protocol else Maker.UNKNOWN


def is_ours_to_adopt(transport: Any) -> bool:
    """Whether ``adopt()`` makes one of ours of it, if it is open."""
    return isinstance(transport, DatagramTransport) or _class_for(transport) is not None


def _class_for(transport: Any) -> Any:
    """The class of ours that asyncio's own *transport* can have; None where it is another's."""
    if type(transport) is _SelectorStock:
        return SelectorTransport
    if sys.platform == "win32":
        from tribler_udp_fix._asyncio import _proactor_transport

        if type(transport) is _proactor_transport.Stock:
            return _proactor_transport.ProactorTransport
    return None


def adopt(transport: Any, settings: Settings) -> DatagramTransport | None:
    """Make one of ours of asyncio's own datagram *transport*, in place; None where it is not one.

    It stays the same object, and goes on where it was. A subclass, or another library's transport,
    is left alone.
    """
    if isinstance(transport, DatagramTransport):
        return transport
    return _turn_into(transport, _class_for(transport), settings)


def _turn_into(transport: Any, cls: Any, settings: Settings) -> DatagramTransport | None:
    if cls is None or transport.is_closing():
        return None
    reads = getattr(transport, "_read_fut", None)
    context = _context_of(reads, transport)
    if reads is not None:
        _withdraw(reads, transport._loop_reading, transport._loop)
    writes = getattr(transport, "_write_fut", None)
    if writes is not None:
        _withdraw(writes, transport._loop_writing, transport._loop)
        transport._write_fut = None
    elif transport._buffer and cls is SelectorTransport:
        transport._loop._remove_writer(transport._sock_fd)
    queued = [(*tuple(entry)[:2], perf_counter()) for entry in transport._buffer]
    transport.__class__ = cls
    ours: DatagramTransport = transport
    ours._set_up(transport._loop, settings.error_budget, settings.fast_path)
    if context is not None:
        ours._own_context = context.copy()  # asyncio's own is entered where a handler adopts it
    ours._take(transport._sock)
    ours.maker = Maker.UNKNOWN
    ours._begun = True
    ours._buffer = collections.deque(queued)
    ours._buffer_size = sum(len(data) + ours._header_size for data, *_ in queued)
    if writes is not None:
        writes.add_done_callback(functools.partial(_sent, ours))
    # One that has stopped to read is left so, for whoever watches it to see.
    if reads is not None:  # a receive, which may have got something, or may have been lost
        ours.rearm()
    elif ours._is_waiting():
        ours._stop_waiting()
        ours._own_context.copy().run(ours._wait)
    elif cls is SelectorTransport and not ours._paused:
        # Within connection_made(): asyncio's own reader is registered in a turn to come.
        ours._loop.call_soon(_take_reader, ours)
    if queued:
        transport._loop.call_soon(ours._send_on)
    return ours


def _withdraw(future: Any, callback: Any, loop: Any) -> None:
    """Have asyncio's *callback* not be called of *future*: it would end what is ours by then."""
    if not future.remove_done_callback(callback):  # it is done, and will call in this turn
        handle = _scheduled(callback, loop)
        if handle is not None:
            handle.cancel()


def _scheduled(callback: Any, loop: Any) -> Any:
    """The handle by which *loop* is to call *callback* next; None where none can be seen."""
    ready = turns_of(loop).ready
    handles = ready.copy() if ready is not None else ()  # other threads may schedule
    return next((each for each in handles if getattr(each, "_callback", None) == callback), None)


def _take_reader(transport: Any) -> None:
    if not transport._closing and transport._is_waiting() and not transport._reads:
        transport.rearm()


def _context_of(reads: Any, transport: Any) -> contextvars.Context | None:
    """That in which asyncio's own *transport* calls its protocol, as far as can be seen."""
    found: contextvars.Context
    try:
        if reads is not None and reads.done():
            found = _scheduled(transport._loop_reading, transport._loop)._context
        elif reads is not None:
            found = reads._callbacks[0][1]
        else:
            found = transport._loop._selector.get_key(transport._sock_fd).data[0]._context
        return found
    except Exception:  # of another make: then it is that of whoever adopts it
        return None


def _sent(transport: Any, send: asyncio.Future[Any]) -> None:
    """Tell of a send of asyncio's own that was under way when *transport* became one of ours."""
    exc = None if send.cancelled() else send.exception()
    if isinstance(exc, OSError) and not transport.is_closing():
        transport._send_failed(exc)
