"""The datagram transport of SelectorEventLoop, on every system."""

from __future__ import annotations

import math
import selectors
import socket
from asyncio import selector_events
from typing import Any

from tribler_udp_fix._asyncio._datagram import DatagramTransport
from tribler_udp_fix._asyncio._reporting import SocketAddress
from tribler_udp_fix._asyncio._sending import header_size

Stock: Any = selector_events._SelectorDatagramTransport  # type: ignore[attr-defined]

# Of datagrams that come one by one, after how many to look whether there is another.
_LOOK_AFTER = 8


class SelectorTransport(DatagramTransport, Stock):  # type: ignore[misc]
    """A datagram transport whose waits are readers and writers of the event loop."""

    _header_size = header_size(Stock)

    _sock_fd: int
    _lone = 0
    _reads = False  # a reader is registered, as far as is known here
    _within = False  # its own context

    def _take(self, sock: socket.socket) -> None:
        super()._take(sock)
        self._sock_fd = sock.fileno()
        self._loop._transports[self._sock_fd] = self

    def suspend(self, limit: int, age: float = math.inf) -> None:
        """As every transport's; the number of its socket is free for another one's."""
        if self._loop._transports.get(self._sock_fd) is self:
            del self._loop._transports[self._sock_fd]
        if not self._reads:
            self._forget_first_reader()
        super().suspend(limit, age)

    def _forget_first_reader(self) -> None:
        """Have asyncio's own not be registered in a turn to come, of a socket that is closed."""
        ready = self._turns.ready
        for handle in ready.copy() if ready is not None else ():  # other threads may schedule
            name = getattr(getattr(handle, "_callback", None), "__name__", "")
            if name == "_add_reader" and handle._args[1:] == (self._read_ready,):
                handle.cancel()

    def is_reading(self) -> bool:
        """Whether it is open, and not paused; asyncio's own can be paused since 3.12."""
        return not self._closing and not self._paused

    def pause_reading(self) -> None:
        """Hand the protocol no datagram until ``resume_reading()``."""
        if self.is_reading():
            self._paused = True
            if self._gap is None:
                self._stop_reading()

    def resume_reading(self) -> None:
        """Read on, with what came meanwhile."""
        if not self._closing and self._paused:
            self._paused = False
            if self._kept or self._gap is None:
                self._turns.enter(self)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        super()._call_connection_lost(exc)
        if self._closing and self._called_connection_lost:
            self._protocol = None  # as asyncio's own: it would wait for the garbage collector

    def _read_ready(self) -> None:
        if self._paused:  # before asyncio's own reader was registered
            self._stop_waiting()
        elif self in self._turns:
            self._turns.enter(self)  # which reads it, once in each turn
        else:
            self.read_in_turn()

    def read_in_turn(self) -> None:
        """Read on in one context, as by asyncio's own reader: a handler finds what others set."""
        within, self._within = self._within, True
        try:
            # A program that runs the loop in a handler is still within it.
            (self._own_context.copy() if within else self._own_context).run(self._read_on)
        finally:
            self._within = within

    def _wait(self) -> bool:
        self._lone += 1
        if self._lone % _LOOK_AFTER == 0:
            self._looks = True
        if not self._reads:
            self._reads = True
            self._loop._add_reader(self._sock_fd, self._read_ready)
        return True

    def _is_waiting(self) -> bool:
        try:
            key = self._loop._selector.get_key(self._sock_fd)
        except (KeyError, ValueError, RuntimeError):  # RuntimeError: the selector is closed
            return False
        return bool(key.events & selectors.EVENT_READ)

    def _stop_waiting(self) -> None:
        self._reads = False
        self._loop._remove_reader(self._sock_fd)

    def _wait_to_send(self, data: bytes, addr: SocketAddress) -> None:
        self._put_back(data, addr)
        self._full = True
        self._loop._add_writer(self._sock_fd, self._sendto_ready)

    def _sendto_ready(self) -> None:
        self._stop_sending()
        self._send_on()

    def _stop_sending(self) -> None:
        if self._full:
            self._full = False
            self._loop._remove_writer(self._sock_fd)
