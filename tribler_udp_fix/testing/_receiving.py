"""Receives that never complete, and readers that have died."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Callable, ContextManager, Iterator

from tribler_udp_fix.testing import _readers
from tribler_udp_fix.testing._targets import is_selector, transports_of

if sys.platform == "win32":
    from tribler_udp_fix.testing import _completions

_UNTIL = ("rearm", "rebind")

Fault = Callable[[Any], ContextManager[None]]


@contextlib.contextmanager
def lost_completion(endpoint: Any, until: str = "rearm") -> Iterator[None]:
    """The receive that *endpoint* has posted never completes, and nothing says so: F11.

    As after sleep and resume (https://github.com/Tribler/tribler/issues/8839) or a driver's reset:
    the endpoint is open, looks armed, sends as ever, and hears nobody. With ``until="rearm"`` the
    next receive that is posted is as good as any; with ``until="rebind"`` none is, on this socket.

    On ProactorEventLoop, stock or repaired, the posted receive takes one datagram along, and its
    completion is discarded; what comes after that, and with ``until="rebind"`` everything, waits
    in the socket's buffer. On SelectorEventLoop, on any system, there are no completions: the
    reader stays registered, and what is ready to be read is read and thrown away.

    At the end an endpoint that nobody has repaired hears again, on the Proactor what has waited
    first. *endpoint* is one of IPv8's, or a datagram transport of asyncio's.

    Not imitated: a socket that is deaf in the kernel. ``recvfrom()`` of the socket itself works.

    Raises FaultUnavailable where that is not possible, ValueError for another *until*.
    """
    if until not in _UNTIL:
        raise ValueError(f"until={until!r}: allowed is {' or '.join(map(repr, _UNTIL))}")
    with _each(endpoint, "lost" if until == "rearm" else "deaf"):
        yield


@contextlib.contextmanager
def dead_reader(endpoint: Any) -> Iterator[None]:
    """*endpoint* has stopped to read, and nothing says so: as F1 and F2 leave a stock Proactor.

    It is open and sends as ever, but on ProactorEventLoop no receive is posted, and on
    SelectorEventLoop no reader is registered. What arrives waits in the socket's buffer; a datagram
    that was arriving just then may be lost on the Proactor. Whoever makes the endpoint read again
    has repaired it; otherwise it reads again at the end.

    *endpoint* is one of IPv8's, or a datagram transport of asyncio's.

    Not imitated: the error that such a death begins with. ``departed_peer()`` makes a real one.

    Raises FaultUnavailable where that is not possible.
    """
    with _each(endpoint, "dead"):
        yield


@contextlib.contextmanager
def _each(endpoint: Any, fault: str) -> Iterator[None]:
    """Have every transport behind *endpoint* suffer the fault of this name."""
    with contextlib.ExitStack() as stack:
        for transport in transports_of(endpoint):
            stack.enter_context(_of(transport, fault)(transport))
        yield


def _of(transport: Any, fault: str) -> Fault:
    if sys.platform == "win32" and not is_selector(transport):
        return _completions.FAULTS[fault]
    return _readers.FAULTS[fault]
