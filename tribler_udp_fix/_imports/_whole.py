"""Importing a module of which other threads may be importing parts."""

# Neither "from __future__ import annotations" nor typing: the startup hook imports os and sys only.
import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Optional

_TRIES = 100
_PAUSE = 0.02  # seconds


def whole(name: str) -> "Optional[ModuleType]":
    """The module, if it has been imported to its end; else None. Imports nothing."""
    module = sys.modules.get(name)
    if module is None or is_under_way(name) or type(module).__name__ == "_LazyModule":
        return None  # the last is importlib.util.LazyLoader's: its code has not run
    # One that fails is taken off sys.modules before it stops being under way.
    return module if sys.modules.get(name) is module else None


def is_under_way(name: str) -> bool:
    """Whether the module is being found, or its own code runs: half of its names may be missing."""
    if _importer(name) is not None:
        return True
    try:
        # Not getattr(): a lazy module would be loaded by that.
        spec = type(sys).__getattribute__(sys.modules[name], "__spec__")
    except (KeyError, AttributeError, TypeError):  # the last: something else than a module
        return False
    return bool(getattr(spec, "_initializing", False))


def is_under_way_here(name: str) -> bool:
    """Whether it is this thread that imports the module."""
    return _importer(name) == get_ident()


def import_whole(name: str) -> "ModuleType":
    """Import the module and return it when it has run; raises what its import raises.

    Two threads that import a package and a module of it at once may each hold what the other one
    needs. CPython then refuses one of them, or hands it a module that is half made; and so it does
    with any module from a zip file, before 3.10. Nothing is held here while it is tried again.
    """
    tries = _TRIES
    while True:
        tries -= 1
        try:
            __import__(name)
        except (RuntimeError, ImportError, AttributeError) as exc:
            if not tries or not _is_of_a_race(exc):
                raise
        module = whole(name)
        if module is not None:
            return module
        if not tries or is_under_way_here(name):
            raise ImportError(f"{name} does not come to its end", name=name)
        _wait_for_importer(name)


def _wait_for_importer(name: str) -> None:
    wait = getattr(_bootstrap, "_lock_unlock_module", None)
    if wait is not None and _importer(name) is not None:
        wait(name)  # returns at once where waiting would be for ever
    __import__("time").sleep(_PAUSE)


def _importer(name: str) -> "Optional[int]":
    """The thread that holds the module's import lock: the only sign of an import in some cases."""
    reference = getattr(_bootstrap, "_module_locks", {}).get(name)
    return getattr(reference and reference(), "owner", None)


def _is_of_a_race(exc: Exception) -> bool:
    return type(exc).__name__ == "_DeadlockError" or "partially initialized module" in str(exc)


_bootstrap: "Any" = sys.modules.get("_frozen_importlib")
