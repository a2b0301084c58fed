"""A finder that tells when one of certain modules has been imported."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Callable, Container

from tribler_udp_fix._imports._loader import find_spec, leave

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Sequence

logger = logging.getLogger("tribler_udp_fix")


class ImportFinder:
    """A finder on ``sys.meta_path`` that finds nothing, and tells when a module to repair has run.

    Not wrapt's post-import hooks: these take a module that another thread is importing for one that
    is there, run some hooks under a lock (wrapt 1.14), and stay on ``sys.meta_path`` for ever.
    """

    def __init__(self, modules: Container[str], ran: Callable[[str], None]) -> None:
        self._modules = modules
        self._ran = ran

    def enter(self) -> bool:
        """Go on ``sys.meta_path``; return whether this finder was not there yet."""
        if any(finder is self for finder in sys.meta_path):
            return False
        sys.meta_path = [self, *sys.meta_path]  # as leave() does, and for its reason
        return True

    def leave(self) -> None:
        """Leave ``sys.meta_path``."""
        leave(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """What the finders behind this one find, for *modules*; else None."""
        if fullname not in self._modules:
            return None

        def ran(succeeded: bool) -> None:
            if not succeeded:
                return
            try:
                self._ran(fullname)
            except Exception:  # it would make the program's import fail
                logger.exception("%s is imported, and not repaired", fullname)

        return find_spec(self, fullname, path, target, ran)
