"""CPython's own tests, which python.org's embeddable builds leave out: Debian's."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from . import debian, places
from .pythons import WindowsPython

# The Debian release that has the tests of a Python.
RELEASES = {"3.11": "bookworm", "3.13": "trixie"}
VARIABLE = "WINLAB_CPYTHON_TESTS"  # tells that Python where they are


def has_tests(python: WindowsPython) -> bool:
    """Whether there are tests for this Python."""
    return python.minor in RELEASES


def folder(minor: str) -> Path:
    """Where the tests are of a Python such as "3.13"."""
    return places.LAB / f"cpython-tests-{minor}"


def ready(minor: str) -> bool:
    """Whether the tests are there."""
    return folder(minor).exists()


def lay(minor: str) -> None:
    """Unpack the package `test` from Debian's packages, without installing them."""
    # The tests, and the test.support that they use.
    packages = (f"libpython{minor}-testsuite", f"libpython{minor}-stdlib")
    with tempfile.TemporaryDirectory(dir=places.LAB) as name:
        scratch = Path(name)
        with debian.release(RELEASES[minor]) as release:
            for archive in release.download(packages, scratch):
                debian.unpack(archive, scratch)
        laid = scratch / "laid"
        laid.mkdir()
        shutil.move(str(scratch / "usr" / "lib" / f"python{minor}" / "test"), str(laid))
        laid.rename(folder(minor))
