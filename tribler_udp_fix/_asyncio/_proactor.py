"""Which functions of asyncio's Proactor are replaced, by what, and what they must look like.

Three repairs, each applied or refused on its own: the loop's factory of datagram transports
(F1 to F8, F23), the proactor's receives on datagram sockets (F9, and with them every transport that
was made before), and its sends (F10).
"""

from __future__ import annotations

import socket
import sys
from asyncio import proactor_events, windows_events
from typing import Any, Callable

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._asyncio._event_loop import EventLoopChoice
from tribler_udp_fix._asyncio._operations import (
    is_driven_by_hand,
    numeric_address,
    post_send,
    send,
)
from tribler_udp_fix._asyncio._proactor_transport import ProactorTransport, Stock
from tribler_udp_fix._asyncio._receive import ReceiveFuture
from tribler_udp_fix._asyncio._transports import FACTORY, FLOW_CONTROL, factory_patch
from tribler_udp_fix._patching._patches import Patch, Repair, Shape
from tribler_udp_fix._settings import Settings

_Loop: Any = proactor_events.BaseProactorEventLoop
_Proactor: Any = windows_events.IocpProactor
_Base: Any = proactor_events._ProactorBasePipeTransport
_OverlappedFuture: Any = windows_events._OverlappedFuture  # type: ignore[attr-defined]


def repairs(settings: Callable[[], Settings]) -> list[Repair]:
    """The repairs for the running CPython; *settings* is asked each time one of them acts."""
    return [_transport_repair(settings), _receive_repair(settings), _send_repair()]


def event_loop_choice() -> EventLoopChoice:
    """What the setting ``loop`` chooses from; the Proactor only where its shapes are known."""
    known = [shape for repair in repairs(Settings) for shape in repair.shapes]
    return EventLoopChoice(
        {
            "proactor": windows_events.ProactorEventLoop,
            "selector": windows_events.SelectorEventLoop,
        },
        {"proactor": known},
    )


_RECEIVE = {
    "recv": ["self", "conn", "nbytes", "flags"],
    "recv_into": ["self", "conn", "buf", "flags"],
    "recvfrom": ["self", "conn", "nbytes", "flags"],
    "recvfrom_into": ["self", "conn", "buf", "flags"],  # since 3.11
}
_OVERLAPPED = {
    "recv": "WSARecv",
    "recv_into": "WSARecvInto",
    "recvfrom": "WSARecvFrom",
    "recvfrom_into": "WSARecvFromInto",
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
    shapes = (
        Shape(_Loop, "_make_datagram_transport", FACTORY, ["_ProactorDatagramTransport"]),
        Shape(
            Stock,
            "__init__",
            ["self", "loop", "sock", "protocol", "address", "waiter", "extra"],
            ["_address", "_buffer", "_loop_reading"],
        ),
        Shape(Stock, "_loop_reading", ["self", "fut"], ["_read_fut", "max_size", "_closing"]),
        Shape(Stock, "_loop_writing", ["self", "fut"], ["_write_fut", "_buffer"]),
        Shape(Stock, "sendto", ["self", "data", "addr"], ["_buffer", "_loop_writing"]),
        Shape(_Base, "_fatal_error", ["self", "exc", "message"], ["_force_close"]),
        *FLOW_CONTROL,
        *_OPERATIONS,
    )
    faults = ("F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F23")
    how = f"datagram transports are made as {ProactorTransport.__name__}"
    return Repair(how, faults, shapes, (factory_patch(_Loop, ProactorTransport, settings),))


def _receive_repair(settings: Callable[[], Settings]) -> Repair:
    def patch(kind: str) -> Patch:
        def replacement(
            wrapped: Callable[..., Any], proactor: Any, args: tuple[Any, ...], kw: dict[str, Any]
        ) -> Any:
            bound = dict(zip(_RECEIVE[kind][1:], args), **kw)
            sock = bound["conn"]
            if not (_is_datagram_socket(sock) and is_driven_by_hand(proactor)):
                return wrapped(*args, **kw)
            space = bound["nbytes"] if "nbytes" in bound else bound["buf"]
            flags = bound.get("flags", 0)
            budget = settings().error_budget
            return ReceiveFuture(proactor, sock, (kind, space, flags), budget)

        return Patch(_Proactor, kind, replacement)

    kinds = [kind for kind in _RECEIVE if kind != "recvfrom_into" or sys.version_info >= (3, 11)]
    shapes = [Shape(_Proactor, kind, _RECEIVE[kind], [_OVERLAPPED[kind]]) for kind in kinds]
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
            data, flags = bound["buf"], bound.get("flags", 0)
            address = (bound.get("addr"),) if kind == "sendto" else ()
            sent = send(proactor, sock, data, flags, *address)
            if sent is not None:
                return sent
            if is_driven_by_hand(proactor):
                return post_send(proactor, sock, data, flags, *address)
            return wrapped(sock, data, flags, *(numeric_address(sock.family, to) for to in address))

        return Patch(_Proactor, kind, replacement)

    shapes = (
        Shape(_Proactor, "send", _SEND["send"], ["WSASend"]),
        Shape(_Proactor, "sendto", _SEND["sendto"], ["WSASendTo"]),
        *_OPERATIONS,
    )
    how = "datagrams are sent as the socket module sends them"
    return Repair(how, ("F10",), shapes, tuple(map(patch, _SEND)))


def _is_datagram_socket(conn: Any) -> bool:
    return isinstance(conn, _Socket) and conn.type == socket.SOCK_DGRAM


# The class as it was when this was imported: a program may put a subclass in its place.
_Socket = socket.socket
