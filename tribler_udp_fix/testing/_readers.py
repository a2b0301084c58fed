"""What can become of the reader of a SelectorEventLoop's transport."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

from tribler_udp_fix.testing._seam import Call, hooked
from tribler_udp_fix.testing._targets import is_over, not_reading


@contextlib.contextmanager
def _lost(transport: Any) -> Iterator[None]:
    """Its reader is registered, and is called for nothing."""
    _registered(transport)

    def discard() -> None:
        with contextlib.suppress(OSError):
            transport._sock.recvfrom(transport.max_size)

    transport._loop._add_reader(transport._sock_fd, discard)
    lost = _reader(transport)
    try:
        yield
    finally:
        if not is_over(transport) and _reader(transport) is lost:
            _restore(transport)


@contextlib.contextmanager
def _deaf(transport: Any) -> Iterator[None]:
    """Whichever reader is registered gets nothing out of the socket."""
    if not getattr(transport, "reading", False):  # one of ours may be about to register it
        _registered(transport)

    def discard(receive: Call) -> Any:
        with contextlib.suppress(OSError):
            receive()  # or the selector would find it ready to be read for ever
        raise BlockingIOError

    with hooked(transport, receive=discard):
        yield


@contextlib.contextmanager
def _dead(transport: Any) -> Iterator[None]:
    """No reader is registered."""
    _registered(transport)
    transport._loop._remove_reader(transport._sock_fd)
    try:
        yield
    finally:
        if not is_over(transport) and _reader(transport) is None:
            _restore(transport)


FAULTS = {"lost": _lost, "deaf": _deaf, "dead": _dead}


def _reader(transport: Any) -> Any:
    """The handle that is called when there is something to read; None where none is."""
    try:
        reader, _ = transport._loop._selector.get_key(transport._sock_fd).data
    except (KeyError, ValueError):
        return None
    return reader


def _registered(transport: Any) -> None:
    if _reader(transport) is None:
        raise not_reading(transport)


def _restore(transport: Any) -> None:
    transport._loop._add_reader(transport._sock_fd, transport._read_ready)
