"""Sends that fail, and peers that have left."""

from __future__ import annotations

import contextlib
import errno
import os
import reprlib
import socket
import sys
from typing import Any, Iterator

from tribler_udp_fix._arguments import shown
from tribler_udp_fix.testing._seam import Call, hooked
from tribler_udp_fix.testing._targets import transports_of

_HOSTS: dict[int, str] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

# What Winsock numbers are called elsewhere; from 10000 on they are no errno of any system.
_NAMES = {
    10013: "EACCES",
    10014: "EFAULT",
    10022: "EINVAL",
    10038: "ENOTSOCK",
    10040: "EMSGSIZE",
    10049: "EADDRNOTAVAIL",
    10050: "ENETDOWN",
    10051: "ENETUNREACH",
    10052: "ENETRESET",
    10053: "ECONNABORTED",
    10054: "ECONNRESET",
    10055: "ENOBUFS",
    10060: "ETIMEDOUT",
    10061: "ECONNREFUSED",
    10065: "EHOSTUNREACH",
}


@contextlib.contextmanager
def departed_peer(family: int = socket.AF_INET) -> Iterator[Any]:
    """A loopback address that nobody listens on, as of a peer that has left.

    What is sent there earns a real ICMP error, port unreachable, which on Windows fails the
    sender's receive, at once (F2) or while it waits (F1). Linux keeps such errors from a socket
    that is not connected.

    Yields the address as ``socket.getsockname()`` has it: a pair for ``socket.AF_INET``, four
    fields for ``socket.AF_INET6``. No event loop is needed.

    Not imitated: that the address stays nobody's. Another program may be given the port.

    Raises TypeError or ValueError for another *family*.
    """
    if not isinstance(family, int) or family not in _HOSTS:
        told = shown(family, reprlib.repr)
        kind = ValueError if isinstance(family, int) else TypeError
        raise kind(f"family={told}: allowed is socket.AF_INET or socket.AF_INET6")
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.bind((_HOSTS[family], 0))
        address = peer.getsockname()
    yield address


class FailingSends:
    """What ``failing_sends()`` yields. ``count``: how many sends have failed of it."""

    def __init__(self) -> None:
        self.count = 0


@contextlib.contextmanager
def failing_sends(endpoint: Any, error: OSError | int) -> Iterator[FailingSends]:
    """Every send of *endpoint* fails at once with *error*: F5 on a stock Proactor.

    Nothing is sent.
    *error* is an OSError, or the number of one: Winsock's, which on other systems than Windows
    becomes the one of the same name, or the system's own. The transport reports it as it reports
    any: asyncio's call ``error_received()``, on which IPv8's endpoints do nothing. Receiving is not
    touched.

    *endpoint* is one of IPv8's, or a datagram transport of asyncio's, on ProactorEventLoop or
    SelectorEventLoop, of any system.

    Not imitated: a send that is accepted and whose completion fails later.

    Raises FaultUnavailable where that is not possible, TypeError for what is neither; ValueError
    for a number that has no name here, or that means that the socket would block, since no
    transport takes that for an error.
    """
    _check_error(error)
    made = error if isinstance(error, OSError) else _os_error(error)
    if isinstance(made, (BlockingIOError, InterruptedError)):
        raise ValueError(f"error={error!r}: allowed is one that ends the send, not {made!r}")
    failing = FailingSends()

    def fail(_send: Call) -> Any:
        failing.count += 1
        # A new one each time, where that can be: programs keep errors, and change them.
        raise made.with_traceback(None) if made is error else _os_error(error)  # type: ignore[arg-type]

    with contextlib.ExitStack() as stack:
        for transport in transports_of(endpoint):
            stack.enter_context(hooked(transport, send=fail))
        yield failing


def _check_error(error: Any) -> None:
    if isinstance(error, OSError):
        return
    text = f"error={shown(error, reprlib.repr)}: allowed is an OSError, or its number, from 1"
    if isinstance(error, bool) or not isinstance(error, int):
        raise TypeError(text)
    if not 1 <= error < 1 << 31:  # Windows numbers them in 31 bits
        raise ValueError(text)


def _os_error(number: int) -> OSError:
    if sys.platform == "win32":
        import ctypes

        # With a fourth argument OSError takes errno and its own subclass from the Windows number.
        return OSError(0, ctypes.FormatError(number), None, number)
    if number >= 10_000:
        if number not in _NAMES:
            raise ValueError(f"error={number}: allowed on this system are {sorted(_NAMES)}")
        number = getattr(errno, _NAMES[number])
    return OSError(number, os.strerror(number))
