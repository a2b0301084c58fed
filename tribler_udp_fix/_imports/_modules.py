"""Modules of somebody else's, by name: none of them is imported here."""

from __future__ import annotations

from typing import NamedTuple

from tribler_udp_fix._imports._whole import whole


class Target(NamedTuple):
    """A class or function that is repaired, and the faults of the catalogue that it has."""

    name: str
    faults: tuple[str, ...]


def is_loaded(module: str) -> bool:
    """Whether the program has imported the module, to its end."""
    return whole(module) is not None


def loaded(module: str, name: str) -> object:
    """The class or function *name* that the module defines, without our wrapper; else None."""
    found = getattr(whole(module), name, None)
    found = getattr(found, "__wrapped__", found)
    return found if getattr(found, "__module__", None) == module else None


def loaded_class(module: str, name: str) -> type | None:
    """The class *name* that the module defines, if the program has imported it; else None."""
    cls = getattr(whole(module), name, None)
    # Defined there, not imported: the Rust module may have IPv8's own Endpoint as well.
    return cls if isinstance(cls, type) and cls.__module__ == module else None


def required_class(module: str, name: str) -> type:
    """The same; raises LookupError where there is none."""
    found = loaded_class(module, name)
    if found is None:
        raise LookupError(f"there is no class {name} in {module}")
    return found
