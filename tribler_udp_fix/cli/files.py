"""Files of one's own, laid and removed while a program may be running on them."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

_COMPILED = (".pyd", ".pyc", ".pyo", ".so")
_OLD = ".old"


class InUse(Exception):
    """A program runs on the files that are to be removed; the text says which."""


def put(path: Path, data: bytes) -> None:
    """Make the file hold *data*; one that does is not touched.

    A file that a program runs on cannot be written, but it can be given another name: it goes with
    the rest, or with the next one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.with_name(path.name + _OLD)
    _remove_if_free(old)
    if path.is_file() and path.read_bytes() == data:
        return
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    try:
        os.replace(new, path)
    except PermissionError:
        os.replace(path, old)
        os.replace(new, path)


def lay(source: Path, target: Path, compiled: bool = False) -> None:
    """Make the folder hold what *source* holds, and nothing else.

    Compiled files are left out unless *compiled* says otherwise, and byte code caches always.
    """
    wanted = {
        path.relative_to(source)
        for path in source.rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and (compiled or path.suffix not in _COMPILED)
    }
    for name in sorted(wanted):
        put(target / name, (source / name).read_bytes())
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(target) not in wanted:
            _remove_if_free(path)
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def require_free(folder: Path) -> None:
    """Raise InUse when a program runs on a file in there."""
    for path in [*folder.glob("*.exe"), *folder.glob("*.dll"), *folder.glob("*" + _OLD)]:
        try:
            with path.open("r+b"):
                pass
        except PermissionError:
            raise InUse(f"{path} is in use: close Tribler, and try again") from None


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there. Raises OSError."""
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()


def _remove_if_free(path: Path) -> None:
    with suppress(PermissionError):  # a program still runs on it
        remove(path)
