"""What Windows says by itself, from threads of its own, brought to the event loop."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import sys
from typing import Any, Callable

from tribler_udp_fix._watchdog._hearer import Hearer

if sys.platform == "win32":
    from tribler_udp_fix._asyncio._iphlpapi import Registration
    from tribler_udp_fix._watchdog._power import ResumeRegistration

assert sys.platform == "win32"


class WindowsNotices:
    """Those of iphlpapi and powrprof. Wine has their functions, and never calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hearer: Hearer) -> None:
        self._loop = loop
        self._registrations: list[Any] = []
        _open.add(self)
        addresses = functools.partial(
            Registration,
            lambda host, there: self._soon(hearer.address_changed, host, there),
            lambda: self._soon(hearer.interface_changed),
        )
        resumes = functools.partial(ResumeRegistration, lambda: self._soon(hearer.resumed))
        for register in (addresses, resumes):
            with contextlib.suppress(OSError, AttributeError):  # an older Windows may lack it
                self._registrations.append(register())

    def close(self) -> None:
        """Hear no more."""
        _open.discard(self)
        while self._registrations:
            self._registrations.pop().cancel()

    def _soon(self, told: Callable[..., object], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(told, *args)


_open: set[WindowsNotices] = set()
"""Those that Windows may call: it must not do so when they, or the interpreter, are no more."""


def _close_all() -> None:
    for each in list(_open):
        each.close()


atexit.register(_close_all)
