"""Stands between a transport and its socket, and on the Proactor between it and the proactor.

All that the faults know of a transport's inside is here and in ``_receiving``: that it calls the
methods of ``_sock``, and asyncio's own ``send``, ``sendto``, ``recv`` and ``recvfrom`` of
``_loop._proactor``; and that a repaired one posts each receive in ``_post_receive()``, and each
send in ``_post_send()``. A fault is that of one socket: what the transport does with another one
is left alone. Nothing is replaced for anybody else, and each transport gets back what it had.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator

from tribler_udp_fix.testing._targets import is_proactor, is_repaired

Call = Callable[[], Any]
# Is given what would be done, and does it, something else, or raises.
Hook = Callable[[Call], Any]


class Seam:
    """The hooks of one transport; of several of a kind, the newest is asked."""

    def __init__(self, transport: Any) -> None:
        self.hooks: dict[str, list[Hook]] = {"send": [], "receive": [], "post": [], "close": []}
        self._transport = transport
        self._socket = transport._sock
        self._class = type(self._socket)
        self._loop = transport._loop
        self._socket.__class__ = _socket_class(self, self._class)
        self.posts = is_repaired(transport)
        if self.posts:
            transport._post_receive = self._post_receive
            transport._post_send = self._post_send
        elif is_proactor(transport):
            self._stand_in: Any = _Loop(self, self._loop)
            transport._loop = self._stand_in

    def call(self, kind: str, what: Call) -> Any:
        """Do *what*, or what the hook for this kind of call makes of it."""
        hooks = self.hooks[kind]
        return hooks[-1](what) if hooks else what()

    def _post_receive(self) -> Exception | None:
        """What a repaired transport posts a receive with, which returns why that failed at once."""
        transport = self._transport
        cls = type(transport)
        if transport._sock is not self._socket:
            return cls._post_receive(transport)  # type: ignore[no-any-return]

        def post() -> Any:
            failed = cls._post_receive(transport)
            if failed is not None:
                raise failed
            return transport._read_fut

        try:
            posted = self.call("post", post)
        except Exception as exc:  # what the hook raises, too, is what the receive failed of
            return exc
        if transport._read_fut is None:  # the hook's own
            transport._read_fut = posted
            posted.add_done_callback(transport._loop_reading)
        return None

    def _post_send(self, data: bytes, addr: Any) -> Any:
        """What a repaired transport posts a send with."""
        transport = self._transport

        def post() -> Any:
            return type(transport)._post_send(transport, data, addr)

        return self.call("send", post) if transport._sock is self._socket else post()

    def remove(self) -> None:
        """Give the transport back what it had."""
        for name in ("_post_receive", "_post_send"):
            if getattr(vars(self._transport).get(name), "__self__", None) is self:
                del vars(self._transport)[name]
        self._socket.__class__ = self._class
        if self._transport._loop is not self._loop:
            self._transport._loop = self._loop


@contextlib.contextmanager
def hooked(transport: Any, **hooks: Hook) -> Iterator[None]:
    """Have *hooks* asked about what *transport* does, by kind.

    ``send``: a datagram is about to be sent. ``receive``: the socket is asked for what it has at
    once. ``post``: a receive is about to be posted, which returns its future (Proactor only).
    ``close``: the socket is about to be closed.
    """
    seam = getattr(type(transport._sock), "_seam", None) or Seam(transport)
    for kind, hook in hooks.items():
        seam.hooks[kind].append(hook)
    try:
        yield
    finally:
        for kind, hook in hooks.items():
            seam.hooks[kind].remove(hook)
        if not any(seam.hooks.values()):
            seam.remove()


def _socket_class(seam: Seam, cls: Any) -> Any:
    """A subclass of *cls* that asks the hooks; without slots, so that a socket may change to it."""

    def asking(kind: str, name: str) -> Callable[..., Any]:
        def method(self: Any, *args: Any) -> Any:
            return seam.call(kind, lambda: getattr(cls, name)(self, *args))

        return method

    kinds = {
        "send": ("send", "sendto"),
        "receive": ("recv", "recv_into", "recvfrom", "recvfrom_into"),
        "close": ("close",),
    }
    methods = {name: asking(kind, name) for kind, names in kinds.items() for name in names}
    return type(cls.__name__, (cls,), {"__slots__": (), "_seam": seam, **methods})


class _Loop:
    """The event loop, for one transport."""

    def __init__(self, seam: Seam, loop: Any) -> None:
        self._proactor = _Proactor(seam, loop._proactor)
        self._real = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _Proactor:
    """The proactor, for one transport."""

    def __init__(self, seam: Seam, proactor: Any) -> None:
        self._seam = seam
        self._real = proactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def send(self, *args: Any, **kwargs: Any) -> Any:
        return self._seam.call("send", lambda: self._real.send(*args, **kwargs))

    def sendto(self, *args: Any, **kwargs: Any) -> Any:
        return self._seam.call("send", lambda: self._real.sendto(*args, **kwargs))

    def recv(self, *args: Any) -> Any:
        return self._post(lambda: self._real.recv(*args))

    def recvfrom(self, *args: Any) -> Any:
        return self._post(lambda: self._real.recvfrom(*args))

    def _post(self, post: Call) -> Any:
        return post() if self._seam.posts else self._seam.call("post", post)
