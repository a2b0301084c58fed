"""Which functions of asyncio's Proactor are replaced, by what, and what they must look like.

Three repairs, each applied or refused on its own: the loop's factory of datagram transports
(F1 to F8), the proactor's receives on datagram sockets (F9, and with them every transport that
was made before), and its sends (F10).
"""

from __future__ import annotations

import socket
import sys
from asyncio import proactor_events, windows_events
from typing import Any, Callable

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._counters import COUNTERS
from tribler_udp_fix._faults import FAULTS
from tribler_udp_fix._operations import complete_address, post_once, told_of_errors
from tribler_udp_fix._patching import Patch, Repair, Shape
from tribler_udp_fix._receive import ReceiveFuture
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._transport import transport_class

_Loop: Any = proactor_events.BaseProactorEventLoop
_Proactor: Any = windows_events.IocpProactor
_Transport: Any = proactor_events._ProactorDatagramTransport  # type: ignore[attr-defined]
_OverlappedFuture: Any = windows_events._OverlappedFuture  # type: ignore[attr-defined]


def repairs(settings: Callable[[], Settings]) -> list[Repair]:
    """The repairs for the running CPython; *settings* is asked each time one of them acts."""
    return [_transport_repair(settings), _receive_repair(settings), _send_repair()]


_FACTORY = ["self", "sock", "protocol", "address", "waiter", "extra"]
_RECEIVE = {
    "recv": ["self", "conn", "nbytes", "flags"],
    "recv_into": ["self", "conn", "buf", "flags"],
    "recvfrom": ["self", "conn", "nbytes", "flags"],
    "recvfrom_into": ["self", "conn", "buf", "flags"],  # since 3.11
}
_SEND = ["self", "conn", "buf", "flags"]
_SENDTO = [*_SEND, "addr"]
# What posting an operation by hand relies on.
_OPERATIONS = (
    Shape(_Proactor, "_register", ["self", "ov", "obj", "callback"], ["_cache", "address"]),
    Shape(_Proactor, "_register_with_iocp", ["self", "obj"]),
    Shape(
        _Proactor, "_poll", ["self", "timeout"], ["_cache", "pop", "set_exception", "set_result"]
    ),
    Shape(_Proactor, "_check_closed", ["self"]),
    Shape(_Proactor, "_unregister", ["self", "ov"], ["_unregistered"]),
    Shape(_OverlappedFuture, "__init__", ["self", "ov", "loop"], ["_ov"]),
    Shape(_OverlappedFuture, "_cancel_overlapped", ["self"], ["_ov", "cancel"]),
)


def _transport_repair(settings: Callable[[], Settings]) -> Repair:
    sending = tuple(fault for fault in ("F5", "F6", "F7") if _concerns(fault))
    cls = transport_class(repair_sending=bool(sending))

    def make(
        _wrapped: Callable[..., Any], loop: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        current = settings()
        bound = dict(zip(_FACTORY[1:], args), **kwargs)
        sock: socket.socket = bound["sock"]
        if current.prevent_icmp_errors:
            _prevent_icmp_errors(sock)
        return cls(
            loop,
            sock,
            bound["protocol"],
            current.error_budget,
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
        *_OPERATIONS,
    ]
    faults = ("F1", "F2", "F3", "F4", *sending, "F8")
    how = f"datagram transports are made as {cls.__name__}"
    return Repair(how, faults, tuple(shapes), (Patch(_Loop, "_make_datagram_transport", make),))


def _receive_repair(settings: Callable[[], Settings]) -> Repair:
    operation = {
        "recv": "WSARecv",
        "recv_into": "WSARecvInto",
        "recvfrom": "WSARecvFrom",
        "recvfrom_into": "WSARecvFromInto",
    }
    present = [name for name in _RECEIVE if name in vars(_Proactor)]

    def patch(name: str) -> Patch:
        start = operation[name]

        def receive(
            wrapped: Callable[..., Any], proactor: Any, args: tuple[Any, ...], kw: dict[str, Any]
        ) -> Any:
            bound = dict(zip(_RECEIVE[name][1:], args), **kw)
            sock = bound["conn"]
            if not _is_datagram_socket(sock):
                return wrapped(*args, **kw)
            space = bound["nbytes"] if "nbytes" in bound else bound["buf"]
            flags = bound.get("flags", 0)

            def post(ov: Any) -> None:
                getattr(ov, start)(sock.fileno(), space, flags)

            if sock in told_of_errors:
                return post_once(proactor, sock, post)
            return ReceiveFuture(proactor, sock, post, settings().error_budget)

        return Patch(_Proactor, name, receive)

    shapes = [Shape(_Proactor, name, _RECEIVE[name], [operation[name]]) for name in present]
    faults = tuple(fault for fault in ("F9",) if _concerns(fault))
    how = "receives on datagram sockets start again after a transient error"
    return Repair(how, faults, (*shapes, *_OPERATIONS), tuple(map(patch, present)))


def _send_repair() -> Repair:
    def send(
        wrapped: Callable[..., Any], proactor: Any, args: tuple[Any, ...], kw: dict[str, Any]
    ) -> Any:
        bound = dict(zip(_SEND[1:], args), **kw)
        sock, data, flags = bound["conn"], bound["buf"], bound.get("flags", 0)
        if not _is_datagram_socket(sock):
            return wrapped(*args, **kw)
        return post_once(proactor, sock, lambda ov: ov.WSASend(sock.fileno(), data, flags))

    def sendto(
        _wrapped: Callable[..., Any], proactor: Any, args: tuple[Any, ...], kw: dict[str, Any]
    ) -> Any:
        bound = dict(zip(_SENDTO[1:], args), **kw)
        sock, data, flags = bound["conn"], bound["buf"], bound.get("flags", 0)
        address = complete_address(sock.family, bound.get("addr"))
        return post_once(
            proactor, sock, lambda ov: ov.WSASendTo(sock.fileno(), data, flags, address)
        )

    shapes = (
        Shape(_Proactor, "send", _SEND, ["WSASend"]),
        Shape(_Proactor, "sendto", _SENDTO, ["WSASendTo"]),
        *_OPERATIONS,
    )
    how = "an IPv6 pair gets its flow information and scope"
    return Repair(
        how, ("F10",), shapes, (Patch(_Proactor, "send", send), Patch(_Proactor, "sendto", sendto))
    )


def _is_datagram_socket(conn: Any) -> bool:
    return isinstance(conn, socket.socket) and conn.type == socket.SOCK_DGRAM


def _concerns(fault: str) -> bool:
    return FAULTS[fault].concerns(sys.version_info[:3])


def _prevent_icmp_errors(sock: socket.socket) -> None:
    from tribler_udp_fix._winsock import switch_icmp_errors

    for switch, error in switch_icmp_errors(sock, on=False).items():
        COUNTERS.add(f"{switch} refused with {error}" if error else f"{switch} switched off")
