"""Tribler 7.13.1 as PyPI has it: fetched by pip, believed only with the pinned SHA-256."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

from . import places, venv

VERSION = "7.13.1"
SHA256 = "43c69912532607193a40a1eeea2625675698a1a4e0273929a73c3570638993f9"
FOLDER = places.LAB / "tribler"


def fetch() -> Path:
    """Give back the folder of the unpacked wheel, without what it depends on."""
    folder = FOLDER / VERSION
    if folder.exists():
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        scratch = Path(name)
        requirement = scratch / "requirement.txt"
        requirement.write_text(f"tribler=={VERSION} --hash=sha256:{SHA256}\n")
        options = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", scratch)
        venv.pip("download", *options, "--requirement", requirement)
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as archive:
            archive.extractall(scratch / "unpacked")
        shutil.move(str(scratch / "unpacked"), str(folder))
    return folder
