"""Wheels of the index that pip is set up for, believed only with a pinned SHA-256."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path

from . import venv


def unpacked(requirement: str, sha256: str, folder: Path, *options: str) -> Path:
    """Give back *folder*, in which a wheel is unpacked, without what it depends on.

    The first time pip fetches it for a *requirement* such as "pyipv8==3.2.1", with more *options*
    of ``pip download``.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        scratch = Path(name)
        pinned = scratch / "requirement.txt"
        pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        how = ("--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", scratch)
        venv.pip("download", *how, *options, "--requirement", pinned)
        with zipfile.ZipFile(next(scratch.glob("*.whl"))) as archive:
            archive.extractall(scratch / "unpacked")
        shutil.move(str(scratch / "unpacked"), str(folder))
    return folder
