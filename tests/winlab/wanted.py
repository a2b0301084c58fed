"""Which Windows Pythons a command line of pytest, or of the demo, will ask the lab for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Sequence

from . import places, quick
from .pythons import WindowsPython, select

WINDOWS_TESTS = places.ROOT / "tests" / "windows"


def by_demo(arguments: Sequence[str]) -> tuple[WindowsPython, ...]:
    """Those that the demo runs. Raises LabError for one that the lab has not."""
    options = _Options()
    options.add_argument("--python", action="append")
    return select(options.parse_known_args(arguments)[0].python)


def by_pytest(arguments: Sequence[str]) -> tuple[WindowsPython, ...]:
    """Those that pytest runs tests in; none where the arguments leave tests/windows out."""
    options = _Options()
    options.add_argument("--windows-python", action="append")
    options.add_argument("--ignore", action="append", default=[])
    options.add_argument("--quick", action="store_true")
    options.add_argument("--collect-only", "--co", action="store_true")
    options.add_argument("rest", nargs="*")
    own, unknown = options.parse_known_args(arguments)
    given = [path for word in (*own.rest, *unknown) if (path := _path(word))]
    outside = [path for path in given if not _meets(path, WINDOWS_TESTS)]
    ignored = any(_path(word) in (WINDOWS_TESTS, WINDOWS_TESTS.parent) for word in own.ignore)
    if own.collect_only or ignored or (given and len(outside) == len(given)):
        return ()
    return select(own.windows_python or ([quick.PYTHON] if own.quick else None))


class _Options(argparse.ArgumentParser):
    """Reads what it knows and lets the rest be: whoever gets the arguments judges them."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)


def _path(word: str) -> Path | None:
    """The file or folder that a word names, if it does; a test in it counts as its file."""
    path = places.ROOT / word.partition("::")[0]
    return path.resolve() if not word.startswith("-") and path.exists() else None


def _meets(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents
