"""The startup hook: what ``tribler_udp_fix.pth`` runs when the interpreter starts.

``main()`` repairs asyncio once the program has imported it, and not before: it imports neither
asyncio nor wrapt (wrapt 2.2.2 and later import asyncio, and cost 80 ms), only os and sys. What it
needs no earlier than asyncio is in ``_asyncio_import``. Whatever goes wrong in here is one line on
stderr; the program runs as it would have.
"""

# Neither "from __future__ import annotations" nor typing: the hook imports os and sys only.
import os
import sys

from tribler_udp_fix._imports._loader import leave
from tribler_udp_fix._switch import OFF_VALUES, ON_VALUES, SWITCH, report, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Optional, Sequence

_ran = False
_warned = False


def main() -> None:
    """Repair asyncio when the program imports it, if the variable TRIBLER_UDP_FIX says so.

    Returns at once when the variable is off, or holds a value that is neither on nor off (one
    warning). A second call does nothing: in a venv on Python 3.8 to 3.14 a ``.pth`` line runs twice
    (https://github.com/python/cpython/issues/75723). Raises nothing.
    """
    global _ran, _warned
    try:
        value = os.environ.get(SWITCH, "")
        word = value.strip().lower()
        if word in ON_VALUES:
            if not _ran:
                _ran = True
                _repair_asyncio()
        elif word not in OFF_VALUES and not _warned:
            _warned = True
            warn(
                f"{SWITCH}={value!r}: allowed are {', '.join(ON_VALUES)} (on) and "
                f"{', '.join(OFF_VALUES[1:])} or nothing (off). The repairs stay off."
            )
    except Exception as exc:  # whatever it is, the host program goes on
        report(exc)


def _repair_asyncio() -> None:
    if sys.modules.get("asyncio") is None:
        sys.meta_path.insert(0, AsyncioFinder())
    else:
        from tribler_udp_fix._startup._asyncio_import import install

        install()


class AsyncioFinder:
    """A finder on ``sys.meta_path`` that has asyncio repaired when the program has imported it.

    It leaves when asyncio's code has run, whether or not that raised. Looking for asyncio without
    importing it (``importlib.util.find_spec``, as ``python -m asyncio`` does first) does not use it
    up.
    """

    def find_spec(
        self,
        fullname: str,
        path: "Optional[Sequence[str]]" = None,
        target: "Optional[ModuleType]" = None,
    ) -> "Optional[ModuleSpec]":
        """Return asyncio's spec, its loader telling when it has run; so ``ipv8_service``'s, if that
        is imported first; None for anything else.
        """
        if fullname in ("ipv8", "ipv8_service", "tribler"):
            return _watch_imports(fullname, path, target)
        if fullname != "asyncio":
            return None
        try:
            from tribler_udp_fix._startup._asyncio_import import find_spec
        except Exception as exc:  # the program's import goes on without us
            self.leave()
            report(exc)
            return None
        return find_spec(self, fullname, path, target)

    def leave(self) -> bool:
        """Leave ``sys.meta_path``; return whether this finder was there still."""
        return leave(self)


def _watch_imports(
    name: str, path: "Optional[Sequence[str]]", target: "Optional[ModuleType]"
) -> "Optional[ModuleSpec]":
    """Have IPv8's and Tribler's modules watched from now on, the one of this *name* included.

    One of them may be what imports asyncio, and so has the repairs installed: that is too late to
    be told when it has run itself.
    """
    try:
        from tribler_udp_fix._install import watch_imports
    except Exception as exc:  # the program's import goes on without us
        report(exc)
        return None
    return watch_imports(name, path, target)
