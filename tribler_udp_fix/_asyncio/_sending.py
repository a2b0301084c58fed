"""How a repaired datagram transport sends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from asyncio import constants
from asyncio.log import logger as asyncio_logger
from typing import Any

assert sys.platform == "win32"  # above what only Windows has, for mypy on Linux

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._asyncio._operations import complete_address, post_send
from tribler_udp_fix._asyncio._reporting import TURN_DATAGRAMS, Reporting, SocketAddress

# asyncio counts this much for each queued datagram since 3.13, so that empty ones count too;
# 3.13.0 to 3.13.5 never took it off again (gh-135444).
_QUEUED_HEADER = 8 if sys.version_info >= (3, 13) else 0
# sendto(b"") sends an empty datagram since 3.13 and is a no-op before.
_SENDS_EMPTY = sys.version_info >= (3, 13)


class SendingAtOnce(Reporting):
    """Sends without a detour where nothing is queued and the socket takes the datagram.

    It needs neither a copy in a queue nor an overlapped operation, a future and a turn of the
    loop to learn what became of it. What it leaves is left to the class behind it.
    """

    _awaits_bind: bool

    def sendto(self, data: bytes | bytearray | memoryview, addr: SocketAddress = None) -> None:
        if (
            self._fast
            and self._write_fut is None
            and not (self._buffer or self._closing or self._awaits_bind)
            and isinstance(data, bytes)
            and (data or _SENDS_EMPTY)
            and (addr is not None if self._address is None else addr in (None, self._address))
            and self._sock.gettimeout() == 0  # else it would wait
        ):
            try:
                if self._address is None:
                    self._sock.sendto(data, addr)
                else:
                    self._sock.send(data)
            except Exception as exc:  # of any address or data: _unsent() tells them apart
                if self._unsent(exc):
                    return
            else:
                return
        super().sendto(data, addr)


class Sending(Reporting):
    """Sends what is queued whatever became of the datagram before."""

    _in_loop_writing = False
    # The stock __init__ sets the first since 3.10, the second since 3.11.
    _called_connection_lost = False
    _buffer_size = 0

    def get_write_buffer_size(self) -> int:
        return self._buffer_size

    def sendto(self, data: bytes | bytearray | memoryview, addr: SocketAddress = None) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__}")
        if self._address is not None and addr not in (None, self._address):
            raise ValueError(f"Invalid address: must be None or {self._address}")
        if self._closing:
            COUNTERS.dropped("sent after close")
            if self._conn_lost >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                asyncio_logger.warning("socket.sendto() raised exception.")
            self._conn_lost += 1
            return
        # Whoever sends may reuse a bytearray as soon as this returns.
        data = bytes(data)
        if not data and not _SENDS_EMPTY:
            COUNTERS.dropped("empty, before Python 3.13")
            return
        self._buffer.append((data, addr))
        self._buffer_size += len(data) + _QUEUED_HEADER
        if self._write_fut is None and not self._in_loop_writing:
            self._loop_writing()
        self._maybe_pause_protocol()

    def _send_now(self, data: bytes, addr: SocketAddress) -> bool:
        """Send one datagram, or tell the protocol why not; False where the socket is full."""
        if self._sock.gettimeout() != 0:  # it would wait
            return False
        try:
            if self._address is None:
                self._sock.sendto(data, addr)
            else:
                self._sock.send(data)
        except Exception as exc:  # of any address or data: _unsent() tells them apart
            return self._unsent(exc)
        return True

    def _loop_writing(self, fut: asyncio.Future[Any] | None = None) -> None:
        """Start to send the head of the queue; what fails at once makes way for the next."""
        exc = None if fut is None or fut.cancelled() else fut.exception()
        if fut is not self._write_fut:
            return
        self._write_fut = None
        self._in_loop_writing = True
        try:
            if isinstance(exc, OSError):
                self._send_failed(exc)
            for _ in range(TURN_DATAGRAMS):
                if not self._buffer or self._write_fut is not None:
                    break
                self._send_next()
        finally:
            self._in_loop_writing = False
            # Its share of the turn is over, or error_received() ends the program.
            if self._buffer and self._write_fut is None:
                self._loop.call_soon(self._loop_writing)
        if self._called_connection_lost:
            return
        self._maybe_resume_protocol()
        if self._closing and not self._buffer and self._write_fut is None:
            self._loop.call_soon(self._call_connection_lost, None)

    def _send_next(self) -> None:
        data, addr = self._buffer.popleft()
        self._buffer_size -= len(data) + _QUEUED_HEADER
        if self._fast and not self._refused and self._send_now(data, addr):
            return
        self._refused = False
        proactor = self._loop._proactor
        try:
            if self._fast:  # the socket is full
                to = () if self._address is not None else (addr,)
                self._write_fut = post_send(proactor, self._sock, data, 0, *to)
            elif self._address is not None:
                self._write_fut = proactor.send(self._sock, data)
            else:
                addr = complete_address(self._sock.family, addr)  # after uninstall() too
                self._write_fut = proactor.sendto(self._sock, data, addr=addr)
        except OSError as exc:
            self._send_failed(exc)
        except Exception as exc:  # of any address or data: _unsent() tells them apart
            self._unsent(exc)
        else:
            self._write_fut.add_done_callback(self._loop_writing)

    def close(self) -> None:
        """Stop to receive, send what is queued, then call ``connection_lost(None)``."""
        if self._closing:
            return
        self._closing = True
        self._conn_lost += 1
        if self._read_fut is not None:
            self._read_fut.cancel()
            self._read_fut = None
        if not self._buffer and self._write_fut is None:
            self._loop.call_soon(self._call_connection_lost, None)

    def _force_close(self, exc: BaseException | None) -> None:
        """Drop what is queued and call ``connection_lost(exc)``; after ``close()`` too."""
        if self._called_connection_lost:
            return
        self._closing = True
        self._conn_lost += 1
        writing: Any = self._write_fut
        # With the one that the full socket has not taken yet.
        waits = writing is not None and not writing.done() and writing._ov.pending
        COUNTERS.dropped("queued at abort", len(self._buffer) + waits)
        for pending in (self._read_fut, self._write_fut):
            if pending is not None:
                pending.cancel()
        self._read_fut = self._write_fut = None
        self._buffer.clear()
        self._buffer_size = 0
        self._loop.call_soon(self._call_connection_lost, exc)

    def _call_connection_lost(self, exc: BaseException | None) -> None:
        if self._called_connection_lost:
            return
        self._called_connection_lost = True
        try:
            self._protocol.connection_lost(exc)
        finally:
            # On a handle that is dead already, Python 3.8 fails here and never closes.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._sock.close()
            self._sock = None
