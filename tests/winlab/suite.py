"""CPython's own tests, which python.org's embeddable builds leave out: Debian's, of 3.11."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from . import places
from .command import run
from .errors import LabError

MINOR = "3.11"  # of Debian 12's Python, so of the one Windows Python that can run them
VARIABLE = "WINLAB_CPYTHON_TESTS"  # tells that Python where they are
FOLDER = places.LAB / "cpython-tests"

# The tests, and the test.support that they use.
PACKAGES = (f"libpython{MINOR}-testsuite", f"libpython{MINOR}-stdlib")


def ready() -> bool:
    """Whether the tests are there."""
    return FOLDER.exists()


def lay() -> None:
    """Unpack the package `test` from Debian's packages, without installing them."""
    with tempfile.TemporaryDirectory(dir=places.LAB) as folder:
        scratch = Path(folder)
        try:
            _download(scratch)
        except LabError:  # as where no list of packages is kept
            run("apt-get update", ["apt-get", "-q", "update"])
            _download(scratch)
        for archive in scratch.glob("*.deb"):
            run("dpkg", ["dpkg", "--extract", archive, scratch])
        laid = scratch / "laid"
        laid.mkdir()
        shutil.move(scratch / "usr" / "lib" / f"python{MINOR}" / "test", laid)
        laid.rename(FOLDER)


def _download(folder: Path) -> None:
    # As root, since apt's own user may not write into the checkout.
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES]
    run(f"apt-get download {PACKAGES[0]}", command, cwd=folder)
