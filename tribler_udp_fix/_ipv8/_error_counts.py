"""The errors of each IPv8 endpoint's socket, which IPv8 itself does not listen to."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from tribler_udp_fix._asyncio._errors import number_of
from tribler_udp_fix._ipv8._leaves import leaves

_lock = threading.Lock()  # endpoints may be on event loops in several threads
_errors: weakref.WeakKeyDictionary[Any, dict[int, int]] = weakref.WeakKeyDictionary()


def count_error(endpoint: Any, exc: Any) -> None:
    """Count *exc*, which the transport of *endpoint* reported."""
    number = number_of(exc) if isinstance(exc, OSError) else 0
    with _lock:
        counts = _errors.setdefault(endpoint, {})
        counts[number] = counts.get(number, 0) + 1


def total(number: int) -> int:
    """How many errors of this *number* the endpoints that there are were told of."""
    with _lock:
        return sum(counts.get(number, 0) for counts in _errors.values())


def errors_of(endpoint: Any) -> dict[int, int]:
    """How many errors of each number *endpoint* was told of while the repairs were on.

    The numbers are Winsock's on Windows, where 1234 and 10054 are both 10054, and errno's
    elsewhere; 0 is an error without a number. A copy, empty where there were none.
    """
    with _lock:
        return dict(_errors.get(endpoint, ()))


def count_behind(endpoint: Any) -> int:
    """How many errors all that *endpoint*, as ``IPv8.endpoint`` is, passes on to were told of."""
    return sum(sum(errors_of(leaf).values()) for leaf in leaves(endpoint).udp)
