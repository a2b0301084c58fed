"""Importing a module of which other threads may be importing parts."""

# Neither "from __future__ import annotations" nor typing: the startup hook imports os and sys only.
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Optional

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
    """Whether the module's own code is running, or about to: half of its names may be missing."""
    try:
        # Not getattr(): a lazy module would be loaded by that.
        spec = type(sys).__getattribute__(sys.modules[name], "__spec__")
    except (KeyError, AttributeError, TypeError):  # the last: something else than a module
        return False
    return bool(getattr(spec, "_initializing", False))


def is_being_found(name: str) -> bool:
    """Whether a thread is looking for the module, which is not there yet."""
    # The locks of the modules that are being imported, by name.
    locks = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", ())
    return name in locks and name not in sys.modules


def import_whole(name: str) -> "ModuleType":
    """Import the module and return it when it has run; raises what its import raises.

    Two threads that import a package and a module of it at once may each hold what the other one
    needs. CPython then refuses one of them, or hands it a module that is half made. Nothing is held
    here while it is tried again.
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
        if not tries:
            raise ImportError(f"{name} does not come to its end", name=name)
        __import__("time").sleep(_PAUSE)


def _is_of_a_race(exc: Exception) -> bool:
    return type(exc).__name__ == "_DeadlockError" or "partially initialized module" in str(exc)
