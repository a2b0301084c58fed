"""What Linux says by itself, by netlink."""

from __future__ import annotations

import asyncio
import contextlib

from tribler_udp_fix._asyncio import _netlink
from tribler_udp_fix._watchdog._hearer import Hearer

_READS = 16  # in one turn of the loop; the rest comes in the next


class LinuxNotices:
    """Netlink's. There are none on other systems, and on loops without ``add_reader()``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, hearer: Hearer) -> None:
        self._loop = loop
        self._hearer = hearer
        self._socket = _netlink.listening_socket()
        if self._socket is not None:
            try:
                loop.add_reader(self._socket.fileno(), self._read)
            except (NotImplementedError, AttributeError):
                self._socket.close()
                self._socket = None

    def close(self) -> None:
        """Hear no more."""
        if self._socket is not None:
            with contextlib.suppress(RuntimeError):  # a closed loop reads from nothing
                self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        for _ in range(_READS):
            if self._socket is None:  # who was told has ended the watch
                return
            found = _netlink.read(self._socket)
            if found is None:
                return
            for one in found:
                self._hearer.address_changed(one.host, one.there)
