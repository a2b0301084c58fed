"""The tests of programs that the plugin is tried on, of those whose wheels leave them out."""

from __future__ import annotations

import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from . import places, venv
from .pythons import WindowsPython

# Of the versions that packages-3.12.txt pins. kademlia's wheel has its tests.
SDISTS = {
    "aiocoap==0.4.17": "464c8d2b85ec1ef435dabeaa3fb6c8256b40fadfe6ce4ca83b93acb8d555f436",
    "aioquic==1.7.2": "4def7cb0a692dc12c995cc397a93f41b78cc30b7bf078769c3a3bb1ba9dcf362",
}
MINOR = "3.12"
VARIABLE = "WINLAB_PROGRAM_TESTS"  # tells that Python where they are
FOLDER = places.LAB / "program-tests"


def has_tests(python: WindowsPython) -> bool:
    """Whether this Python has the programs, and the lab's own one those who can ask for them."""
    return python.minor == MINOR and sys.version_info >= (3, 9)  # as setuptools 77 wants


def ready() -> bool:
    """Whether the tests are there, of these versions."""
    stamp = FOLDER / "stamp"
    return stamp.exists() and stamp.read_text() == repr(SDISTS)


def lay() -> None:
    """Unpack each sdist's folder of tests as, for one, `aioquic/tests`, and nothing else."""
    with tempfile.TemporaryDirectory(dir=places.LAB) as name:
        scratch = Path(name)
        pinned, laid = scratch / "requirements.txt", scratch / "laid"
        lines = [f"{sdist} --hash=sha256:{sha256}\n" for sdist, sha256 in SDISTS.items()]
        pinned.write_text("".join(lines))
        # pip asks each sdist's setuptools for its metadata, but only after the hash was right; the
        # one in the lab's environment is too old for theirs.
        sdists = [f"--no-binary={sdist.partition('==')[0]}" for sdist in SDISTS]
        how = ("--no-deps", *sdists, "--require-hashes", "--python-version", MINOR)
        venv.pip("download", *how, "--dest", scratch, "--requirement", pinned)
        for sdist in SDISTS:
            program, _, version = sdist.partition("==")
            with tarfile.open(scratch / f"{program}-{version}.tar.gz") as archive:
                archive.extractall(scratch)
            tests = scratch / f"{program}-{version}" / "tests"
            shutil.copytree(tests, laid / program / "tests")
        (laid / "stamp").write_text(repr(SDISTS))
        shutil.rmtree(FOLDER, ignore_errors=True)
        laid.rename(FOLDER)
