"""Makes a Windows Python 3.13 take itself for a newer one, whose asyncio lies in Lib/overlay.

overlays.py lays this file in such a Python's Lib; 00_overlay.pth, which sorts before every other
.pth file, calls main() before anything of asyncio is imported.
"""

from __future__ import annotations

import io
import os
import sys
from operator import itemgetter
from typing import Any, Sequence, Tuple

FIELDS = ("major", "minor", "micro", "releaselevel", "serial")


def main(version: str, blocked: Sequence[str]) -> None:
    """Be *version*, as "3.15.0rc1", with the overlay first and no module of *blocked*."""
    known: Any = sys
    number, _, candidate = version.partition("rc")
    major, minor, micro = map(int, number.split("."))
    known.version_info = VersionInfo(
        (major, minor, micro, "candidate" if candidate else "final", int(candidate or 0))
    )
    level = 0xC0 + int(candidate) if candidate else 0xF0
    known.hexversion = major << 24 | minor << 16 | micro << 8 | level
    base, _, build = sys.version.partition(" ")
    known.version = f"{version} (overlay:{base}, {build.partition(', ')[2]}"
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "overlay"))
    for name in blocked:
        known.modules[name] = None  # whoever imports it is told that there is none
    # 3.14 does not evaluate annotations; 3.13 does, and asyncio.graph has one of these in its.
    if not hasattr(io, "Writer"):
        known.modules["io"].Writer = list


class VersionInfo(Tuple[Any, ...]):
    """As sys.version_info: a tuple whose items have names."""

    __slots__ = ()
    major = property(itemgetter(0))
    minor = property(itemgetter(1))
    micro = property(itemgetter(2))
    releaselevel = property(itemgetter(3))
    serial = property(itemgetter(4))

    def __repr__(self) -> str:
        named = (f"{name}={value!r}" for name, value in zip(FIELDS, self))
        return f"sys.version_info({', '.join(named)})"
