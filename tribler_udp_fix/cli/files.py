"""Files of one's own, laid and removed while a program may be running on them."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

_COMPILED = (".pyd", ".pyc", ".pyo", ".so")
_OLD, _NEW = ".old", ".new"


class InUse(Exception):
    """A program runs on the files that are to be removed; the text says which."""


def put(path: Path, data: bytes) -> None:
    """Make the file hold *data*; one that does is not touched.

    A file that a program runs on cannot be written, but it can be given another name: it goes with
    the rest, or with the next one. See beside().
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    old, new = beside(path)
    remove_if_free(old)
    if path.is_file() and path.read_bytes() == data:
        return
    try:
        new.write_bytes(data)
    except OSError:  # the disk is full
        remove_if_free(new)
        raise
    _replace(new, path)


def _replace(new: Path, path: Path) -> None:
    try:
        os.replace(new, path)
    except PermissionError:
        os.replace(path, beside(path)[0])
        os.replace(new, path)


def beside(path: Path) -> tuple[Path, Path]:
    """What put() may leave beside the file: the one before it, and one that found no place."""
    return path.with_name(path.name + _OLD), path.with_name(path.name + _NEW)


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
            remove_if_free(path)
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def give_back(kept: Path, target: Path) -> None:
    """Make the folder hold what was *kept* of it, and nothing else. No room is needed for it."""
    for path in sorted(target.rglob("*"), reverse=True):
        if not (kept / path.relative_to(target)).exists():
            remove_if_free(path)
    for path in [path for path in kept.rglob("*") if path.is_file()]:
        file = target / path.relative_to(kept)
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_file() or file.read_bytes() != path.read_bytes():
            remove_if_free(beside(file)[0])
            _replace(path, file)
    remove(kept)


def require_free(folder: Path) -> None:
    """Raise InUse when a program runs on a file in there, or has it as its working folder."""
    try:
        for path in [*folder.glob("*.exe"), *folder.glob("*.dll"), *folder.glob("*" + _OLD)]:
            with path.open("r+b"):
                pass
        if folder.exists():
            os.rename(folder, folder)  # changes nothing, and fails where a program works in there
    except PermissionError as exc:
        raise InUse(f"{exc.filename} is in use: close Tribler, and try again") from None


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there. Raises OSError."""
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()


def remove_or_set_aside(path: Path) -> None:
    """Remove a file, or give it another name when a program runs on it. See beside()."""
    old, _ = beside(path)
    remove_if_free(old)
    try:
        remove(path)
    except PermissionError:
        os.replace(path, old)


def remove_if_free(path: Path) -> None:
    """Remove a file or a folder, if it is there and no program runs on it."""
    with suppress(PermissionError):
        remove(path)
