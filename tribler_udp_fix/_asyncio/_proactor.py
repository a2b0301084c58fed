"""Which functions of asyncio's Proactor are replaced, by what, and what they must look like.

Three repairs, each applied or refused on its own: the loop's factory of datagram transports
(F1 to F8), the proactor's receives on datagram sockets (F9, and with them every transport that
was made before), and its sends (F10).
"""

from __future__ import annotations

import socket
import sys
from asyncio import proactor_events, transports, windows_events
from typing import Any, Callable

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._asyncio._event_loop import EventLoopChoice
from tribler_udp_fix._asyncio._icmp_errors import prevent_icmp_errors
from tribler_udp_fix._asyncio._operations import RECEIVES, receive, send, told_of_errors
from tribler_udp_fix._asyncio._receive import ReceiveFuture
from tribler_udp_fix._asyncio._transport import transport_class
from tribler_udp_fix._patching._patches import Patch, Repair, Shape
from tribler_udp_fix._settings import Settings

_Loop: Any = proactor_events.BaseProactorEventLoop
_Proactor: Any = windows_events.IocpProactor
_Transport: Any = proactor_events._ProactorDatagramTransport  # type: ignore[attr-defined]
_Base: Any = proactor_events._ProactorBasePipeTransport
_FlowControl: Any = transports._FlowControlMixin
_OverlappedFuture: Any = windows_events._OverlappedFuture  # type: ignore[attr-defined]


def repairs(settings: Callable[[], Settings]) -> list[Repair]:
    """The repairs for the running CPython; *settings* is asked each time one of them acts."""
    return [_transport_repair(settings), _receive_repair(settings), _send_repair()]


def event_loop_choice(repairs: list[Repair]) -> EventLoopChoice:
    """What the setting ``loop`` chooses from; the Proactor only where the *repairs* are for it."""
    return EventLoopChoice(
        {
            "proactor": windows_events.ProactorEventLoop,
            "selector": windows_events.SelectorEventLoop,
        },
        {"proactor": [shape for repair in repairs for shape in repair.shapes]},
    )


_FACTORY = ["self", "sock", "protocol", "address", "waiter", "extra"]
_RECEIVE = {
    "recv": ["self", "conn", "nbytes", "flags"],
    "recv_into": ["self", "conn", "buf", "flags"],
    "recvfrom": ["self", "conn", "nbytes", "flags"],
    "recvfrom_into": ["self", "conn", "buf", "flags"],  # since 3.11
}
_SEND = {
    "send": ["self", "conn", "buf", "flags"],
    "sendto": ["self", "conn", "buf", "flags", "addr"],
}
# What posting an operation by hand relies on.
_OPERATIONS = (
    Shape(_Proactor, "_register", ["self", "ov", "obj", "callback"], ["_cache", "address"]),
    Shape(_Proactor, "_register_with_iocp", ["self", "obj"]),
    Shape(
        _Proactor, "_poll", ["self", "timeout"], ["_cache", "pop", "set_exception", "set_result"]
    ),
    Shape(_Proactor, "_check_closed", ["self"]),
    Shape(_Proactor, "_result", ["self", "value"]),
    Shape(_Proactor, "_unregister", ["self", "ov"], ["_unregistered"]),
    Shape(_OverlappedFuture, "__init__", ["self", "ov", "loop"], ["_ov"]),
    Shape(_OverlappedFuture, "_cancel_overlapped", ["self"], ["_ov", "cancel"]),
)


def _transport_repair(settings: Callable[[], Settings]) -> Repair:
    # Everywhere: what CPython repaired of it leaves faults of its own, and counts nothing.
    cls = transport_class(repair_sending=True)

    def make(
        _wrapped: Callable[..., Any], loop: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        current = settings()
        bound = dict(zip(_FACTORY[1:], args), **kwargs)
        sock: socket.socket = bound["sock"]
        if current.prevent_icmp_errors:
            prevent_icmp_errors(sock)
        return cls(
            loop,
            sock,
            bound["protocol"],
            current.error_budget,
            current.fast_path,
            bound.get("address"),
            bound.get("waiter"),
            bound.get("extra"),
        )

    shapes = [
        Shape(_Loop, "_make_datagram_transport", _FACTORY, ["_ProactorDatagramTransport"]),
        Shape(
            _Transport,
            "__init__",
            ["self", "loop", "sock", "protocol", "address", "waiter", "extra"],
            ["_address", "_buffer", "_loop_reading"],
        ),
        Shape(_Transport, "_loop_reading", ["self", "fut"], ["_read_fut", "max_size", "_closing"]),
        Shape(_Transport, "_loop_writing", ["self", "fut"], ["_write_fut", "_buffer"]),
        Shape(_Transport, "sendto", ["self", "data", "addr"], ["_buffer", "_loop_writing"]),
        Shape(_Base, "close", ["self"], ["_closing"]),
        Shape(_Base, "_fatal_error", ["self", "exc", "message"], ["_force_close"]),
        Shape(_Base, "_force_close", ["self", "exc"], ["_call_connection_lost"]),
        Shape(_Base, "_call_connection_lost", ["self", "exc"], ["connection_lost"]),
        Shape(_FlowControl, "_maybe_pause_protocol", ["self"], ["get_write_buffer_size"]),
        Shape(_FlowControl, "_maybe_resume_protocol", ["self"], ["get_write_buffer_size"]),
        *_OPERATIONS,
    ]
    faults = ("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8")
    how = f"datagram transports are made as {cls.__name__}"
    return Repair(how, faults, tuple(shapes), (Patch(_Loop, "_make_datagram_transport", make),))


def _receive_repair(settings: Callable[[], Settings]) -> Repair:
    def patch(kind: str) -> Patch:
        def replacement(
            wrapped: Callable[..., Any], proactor: Any, args: tuple[Any, ...], kw: dict[str, Any]
        ) -> Any:
            bound = dict(zip(_RECEIVE[kind][1:], args), **kw)
            sock = bound["conn"]
            if not _is_datagram_socket(sock):
                return wrapped(*args, **kw)
            space = bound["nbytes"] if "nbytes" in bound else bound["buf"]
            flags = bound.get("flags", 0)
            if sock in told_of_errors:
                return receive(proactor, sock, kind, space, flags)
            budget = settings().error_budget
            return ReceiveFuture(proactor, sock, (kind, space, flags), budget)

        return Patch(_Proactor, kind, replacement)

    kinds = [kind for kind in _RECEIVE if kind != "recvfrom_into" or sys.version_info >= (3, 11)]
    shapes = [Shape(_Proactor, kind, _RECEIVE[kind], [RECEIVES[kind].overlapped]) for kind in kinds]
    how = "receives on datagram sockets start again after a transient error"
    return Repair(how, ("F9",), (*shapes, *_OPERATIONS), tuple(map(patch, kinds)))


def _send_repair() -> Repair:
    def patch(kind: str) -> Patch:
        def replacement(
            wrapped: Callable[..., Any], proactor: Any, args: tuple[Any, ...], kw: dict[str, Any]
        ) -> Any:
            bound = dict(zip(_SEND[kind][1:], args), **kw)
            sock = bound["conn"]
            if not _is_datagram_socket(sock):
                return wrapped(*args, **kw)
            address = (bound.get("addr"),) if kind == "sendto" else ()
            return send(proactor, sock, bound["buf"], bound.get("flags", 0), *address)

        return Patch(_Proactor, kind, replacement)

    shapes = (
        Shape(_Proactor, "send", _SEND["send"], ["WSASend"]),
        Shape(_Proactor, "sendto", _SEND["sendto"], ["WSASendTo"]),
        *_OPERATIONS,
    )
    how = "datagrams are sent as the socket module sends them"
    return Repair(how, ("F10",), shapes, tuple(map(patch, _SEND)))


def _is_datagram_socket(conn: Any) -> bool:
    return isinstance(conn, socket.socket) and conn.type == socket.SOCK_DGRAM
