"""Modules of somebody else's, by name: none of them is imported here."""

from __future__ import annotations

import sys
from typing import NamedTuple


class Target(NamedTuple):
    """A class or function that is repaired, and the faults of the catalogue that it has."""

    name: str
    faults: tuple[str, ...]


def is_loaded(module: str) -> bool:
    """Whether the program has imported the module, to its end."""
    return sys.modules.get(module) is not None and not is_under_way(module)


def is_under_way(module: str) -> bool:
    """Whether the module's own code is running, or about to: half of its names may be missing."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def loaded(module: str, name: str) -> object:
    """The class or function *name* that the module defines, without our wrapper; else None."""
    found = getattr(sys.modules.get(module), name, None)
    found = getattr(found, "__wrapped__", found)
    return found if getattr(found, "__module__", None) == module else None


def loaded_class(module: str, name: str) -> type | None:
    """The class *name* that the module defines, if the program has imported it; else None."""
    cls = getattr(sys.modules.get(module), name, None)
    # Defined there, not imported: the Rust module may have IPv8's own Endpoint as well.
    return cls if isinstance(cls, type) and cls.__module__ == module else None
