"""The two runs of the demonstration on one Python: without the plugin, and with it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NamedTuple

from tribler_udp_fix.cli.children import Child


class Target(NamedTuple):
    """A Python to try: how the service is started on it, and from which folder."""

    version: str
    command: list[str]
    folder: Path | None


class Pair:
    """The two runs on one Python; the children are there once it was its turn."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.without: Child | None = None
        self.protected: Child | None = None

    @property
    def version(self) -> str:
        """The Python's version, such as "3.12.9"."""
        return self.target.version

    @property
    def children(self) -> list[Child]:
        """Those that were started."""
        return [child for child in (self.without, self.protected) if child is not None]

    def start(self, arguments: argparse.Namespace) -> None:
        """Start both services, so that they run at the same time."""
        sizes = ["--peers", str(arguments.peers), "--seconds", str(arguments.seconds)]
        self.without, self.protected = (
            Child(
                self.target.command + sizes,
                protected,
                arguments.seconds,
                os.environ,
                self.target.folder,
            )
            for protected in (False, True)
        )

    def running(self) -> bool:
        """Whether one of the two has more to say."""
        return any(child.running() for child in self.children)

    def kept(self) -> bool:
        """Whether the protected service heard every datagram."""
        child = self.protected
        return child is not None and child.failure is None and child.lost == 0
