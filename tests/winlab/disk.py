"""How much disk laying takes, said before it is taken, and what is missing of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Iterable, NamedTuple

from .errors import LabError

WORTH_TELLING = 100  # megabytes


class Need(NamedTuple):
    """What one thing takes, where, in megabytes as `du` counts them."""

    where: Path
    megabytes: int


def total(needs: Iterable[Need]) -> dict[Path, int]:
    """What is needed in each folder, in megabytes."""
    found: dict[Path, int] = {}
    for need in needs:
        found[need.where] = found.get(need.where, 0) + need.megabytes
    return {where: megabytes for where, megabytes in found.items() if megabytes}


def told(needs: Iterable[Need]) -> str | None:
    """What is needed, in words, or None where that is not worth telling."""
    wanted = total(needs)
    if sum(wanted.values()) < WORTH_TELLING:
        return None
    parts = [f"{_size(megabytes)} in {where}" for where, megabytes in wanted.items()]
    together = f"{_size(sum(wanted.values()))} of disk"
    return f"{together}, {' and '.join(parts)}" if len(parts) > 1 else parts[0]


def require(needs: Iterable[Need]) -> None:
    """Raise LabError where a disk has less room than is needed on it."""
    on_disk: dict[int, list[tuple[Path, int]]] = {}
    for where, megabytes in total(needs).items():
        there = _existing(where)
        on_disk.setdefault(there.stat().st_dev, []).append((there, megabytes))
    for wanted in on_disk.values():
        needed = sum(megabytes for _, megabytes in wanted)
        free = shutil.disk_usage(wanted[0][0]).free >> 20
        if free < needed:
            places = " and ".join(str(where) for where, _ in wanted)
            raise LabError(
                f"make room: the lab needs {_size(needed)} in {places}, and {_size(free)} are free"
            )


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _size(megabytes: int) -> str:
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1000 else f"{megabytes} MB"
