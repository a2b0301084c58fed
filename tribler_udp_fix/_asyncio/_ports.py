"""When another port is taken than the one that an endpoint had."""

from __future__ import annotations

import errno
import sys

from tribler_udp_fix._asyncio._errors import number_of

_WSAEACCES, _WSAEADDRINUSE = 10013, 10048
IN_USE = frozenset((errno.EADDRINUSE, _WSAEADDRINUSE))
# Not for us, however long it is waited for: as where Windows keeps ranges of ports for Hyper-V.
_NEVER_OURS = frozenset((_WSAEACCES,) if sys.platform == "win32" else (errno.EACCES,))
# The errors that the next port may not have.
ABOUT_THE_PORT = IN_USE | {errno.EACCES, _WSAEACCES}


def is_about_the_port(exc: BaseException) -> bool:
    """Whether another port may be free, and this one is not."""
    return isinstance(exc, OSError) and number_of(exc) in ABOUT_THE_PORT


class PortChange:
    """Counts how often one port could not be bound, and says when to take another.

    *after* is how many failures that takes: 0 is at once, infinity never. A port that is reserved
    is given up at once, but for never: waiting does not free it.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._failures = 0

    def failed(self, exc: BaseException, counts: bool = True) -> bool:
        """Whether to take another port, after this one could not be bound again.

        The failure *counts*, but where it was counted before.
        """
        if not is_about_the_port(exc) or self._after == float("inf"):
            return False
        self._failures += counts
        reserved = isinstance(exc, OSError) and number_of(exc) in _NEVER_OURS
        return reserved or self._failures >= self._after

    def bound(self) -> None:
        """A port was bound: count anew."""
        self._failures = 0
