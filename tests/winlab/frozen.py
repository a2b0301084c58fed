"""A small app frozen by real cx_Freezes, laid out as Tribler's installer lays Tribler.

Fetched by pip, believed only with the pinned SHA-256, and frozen once, by Windows Python 3.12.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from . import lay, lock, places, process, venv
from .errors import LabError
from .packages import machine
from .pythons import find
from .tools import WINE

PYTHON = find("3.12")  # which Tribler 8 is frozen with
FOLDER = places.LAB / "frozen"
APP = places.SOURCES / "frozen_app.py"
SCRIPT = places.SOURCES / "freeze_script.py"
METADATA = "Metadata-Version: 2.3\nName: Tribler\nVersion: 8.4.3"

TOOLS = {
    "cabarchive==0.2.5": "6d95d83145625898143d732dc0aa0443e53b4262fe9f282f3db5cdedfaf31e01",
    "cx_Logging==3.2.1": "3452add0544db6ff29116b72a4c48761aaffa9b638728330433853c0c4ad2ea1",
    "filelock==4.2.12": "21decfec02f116ed4c954433cdb31f28c3b346b784543177b6d7059da2702ee9",
    "lief==0.17.0": "33820c66288d447772153c7c9cab356cbb693b5ea0f87bb49e682aa919e08830",
    "packaging==26.3": "d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c",
    "setuptools==80.9.0": "062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922",
    "striprtf==0.0.35": "2c8e207f47c9de355374d604167b17c99a06eb4d238e07cfba772f8669db60e4",
}
# The launchers of cx_Freeze 8.5 and later.
CORE = {"freeze-core==0.8.1": "5e0e59ffe74f5bf11f2501f7be6d64708adb2233fc54b6f8c8ccbcb2096311b6"}


class CxFreeze(NamedTuple):
    """One release of cx_Freeze, and what it needs."""

    version: str
    sha256: str
    needs: dict[str, str]

    @property
    def requirements(self) -> str:
        """The text of a requirements file."""
        files = {f"cx_Freeze=={self.version}": self.sha256, **self.needs}
        return "".join(f"{name} --hash=sha256:{sha256}\n" for name, sha256 in files.items())


CX_FREEZES = {
    release.version: release
    for release in (
        CxFreeze(
            "7.2.10", "15b7dafc5eb2b5f6c118eaeed25b0fb0f3a9022e779958e5f9cd1ebf9f77c737", TOOLS
        ),
        CxFreeze(
            "8.4.1", "a01d798e4c8d14764824c38ca9c6b757eb34332d4f572173be32d9545658bd90", TOOLS
        ),
        CxFreeze(
            "8.6.4",
            "37f1ac07d1c2f5e6e28eaf71bc24cb8300045d5e9998447fdc9662471ce6df88",
            {**TOOLS, **CORE},
        ),
        CxFreeze(
            "8.7.3",
            "04aaf4d431e9cf0fe5ff08a9608a0d7a01e48b7b775860891adea9c2024a5573",
            {**TOOLS, **CORE},
        ),
    )
}


class Build(NamedTuple):
    """A cx_Freeze, and the kind of launcher ("base") that it is to use.

    Every Tribler from 8.0.0 to 8.4.3 asks for Win32GUI.
    """

    version: str
    base: str

    def __str__(self) -> str:
        return f"cx_Freeze {self.version} {self.base}"


BUILDS = (
    Build("8.7.3", "Win32GUI"),
    Build("8.7.3", "gui"),
    Build("8.6.4", "Win32GUI"),
    Build("8.4.1", "Win32GUI"),
    Build("7.2.10", "Win32GUI"),
)


def frozen(build: Build) -> Path:
    """Give back the folder of the app, frozen so. It is for copying: many tests have it."""
    release = CX_FREEZES[build.version]
    sources = (APP.read_bytes(), SCRIPT.read_bytes(), release.requirements.encode())
    recipe = places.digest(PYTHON.sha256.encode(), *sources)
    folder = FOLDER / f"{build.version}-{build.base}-{recipe}"
    if folder.exists():
        return folder
    FOLDER.mkdir(parents=True, exist_ok=True)
    with lock.held(FOLDER / "lock"):
        if not folder.exists():
            _freeze(build, _site(release), folder)
    return folder


def _site(release: CxFreeze) -> Path:
    folder = FOLDER / f"site-{release.version}-{places.digest(release.requirements.encode())}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=FOLDER) as name:
            requirement = Path(name, "requirement.txt")
            requirement.write_text(release.requirements)
            options = (*machine(PYTHON), "--no-compile", "--require-hashes")
            target = Path(name, "site")
            venv.pip("install", *options, "--target", target, "--requirement", requirement)
            target.rename(folder)
    return folder


def _python() -> Path:
    """A copy of the Windows Python whose standard library is in files, as cx_Freeze wants it."""
    folder = FOLDER / f"python-{PYTHON.sha256[:16]}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=FOLDER) as name:
            copy = Path(name, "python")
            archive = f"python{PYTHON.minor.replace('.', '')}.zip"
            ignored = shutil.ignore_patterns("Lib", "*.stamp", archive)
            shutil.copytree(PYTHON.folder, copy, ignore=ignored)
            with zipfile.ZipFile(PYTHON.folder / archive) as library:
                library.extractall(copy / "Lib")
            copy.rename(folder)
    return folder / "python.exe"


def _freeze(build: Build, site: Path, folder: Path) -> None:
    prefix = lay.lay([PYTHON])
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        target = Path(name, "Tribler")
        words = [places.windows_path(path) for path in (SCRIPT, site, APP)]
        words += [build.base, places.windows_path(target)]
        command = [str(WINE), str(_python()), *words]
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            prefix.namespace.command(*command),
            env={**process.environment(env), **prefix.environment},
            cwd=name,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=600,
            check=False,
        )
        if done.returncode:
            told = done.stderr.decode(errors="replace")[-2000:]
            raise LabError(f"{build} did not freeze the app:\n{told}")
        metadata = target / "lib" / "tribler.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(METADATA)
        target.rename(folder)
