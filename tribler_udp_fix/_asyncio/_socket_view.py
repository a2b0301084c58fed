"""What ``get_extra_info("socket")`` of a transport of ours returns."""

from __future__ import annotations

import socket
import sys
from asyncio import trsock
from typing import Any, Mapping

# What makes a socket a member of a multicast group. None of them can be read back, and Python has
# names for the first of each row only: they are those of Winsock, Linux, and macOS and the BSDs.
_JOINS = {
    "win32": {(0, 12), (0, 15), (0, 41), (0, 45), (41, 12), (41, 41), (41, 45)},
    "linux": {(0, 35), (0, 39), (0, 42), (0, 46), (41, 20), (41, 42), (41, 46)},
}.get(sys.platform, {(0, 12), (0, 70), (0, 80), (0, 82), (41, 12), (41, 80), (41, 82)})


class SocketView(trsock.TransportSocket):  # type: ignore[misc,unused-ignore]
    """asyncio's own view of a transport's socket, which remembers what its program has set.

    ``joined`` says that it has joined a group, ``options`` what was set else, in that order: of
    some options the system tells nobody what they are.
    """

    __slots__ = ("joined", "options")

    def __init__(self, sock: socket.socket, options: Mapping[Any, tuple[Any, ...]]) -> None:
        super().__init__(sock)
        self.joined = False
        self.options = options

    def setsockopt(self, *args: Any, **kwargs: Any) -> None:
        """As the socket's own."""
        super().setsockopt(*args, **kwargs)
        if args[:2] in _JOINS:
            self.joined = True
        else:
            self.options = {**self.options, args[:2]: args}
