"""What the lab's Pythons have in site-packages: locked packages from the index, and the project."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from . import places, venv
from .errors import LabError
from .pythons import WindowsPython

# aiohttp_apispec, which pyipv8 needs, has no wheel: the one sdist, and a pure one.
LOCKED = ("--require-hashes", "--no-binary=aiohttp_apispec", "--no-build-isolation")
PACKAGING = (
    "LICENSE",
    "MANIFEST.in",
    "README.md",
    "_build_hooks.py",
    "pyproject.toml",
    "setup.cfg",
    "tribler_udp_fix.pth",
)
PACKAGE = "tribler_udp_fix"
GIVEN = "RELEASE_DIST"  # a folder with a wheel that is installed instead of the checkout's
KEPT_WHEELS = 3


def install_locked(python: WindowsPython, site_packages: Path) -> None:
    """Install what the Python's lock file names."""
    _install(python, site_packages, *LOCKED, "--requirement", python.packages)


def source_hash() -> str:
    """Tell one state of the project's sources, as far as a wheel has them, from another."""
    given = _given()
    if given is not None:
        return places.digest(*_name_and_bytes(given))
    return places.digest(*(part for path in _sources() for part in _name_and_bytes(path)))


def wheel_ready(source: str) -> bool:
    """Whether the wheel of the sources with this hash is built."""
    return (places.WHEELS / source).exists()


def build_wheel(source: str) -> None:
    """Build the wheel of the sources, whose hash is this."""
    _build(places.WHEELS / source)
    for old in sorted(places.WHEELS.iterdir(), key=_modified)[:-KEPT_WHEELS]:
        shutil.rmtree(old, ignore_errors=True)


def project_ready(python: WindowsPython, source: str) -> bool:
    """Whether the Python has the project as of the sources with this hash."""
    stamp = python.folder / "project.stamp"
    return stamp.exists() and stamp.read_text() == source


def install_project(python: WindowsPython, source: str) -> None:
    """Replace the project in the Python's site-packages by this wheel, as pip installs it."""
    wheel = next((places.WHEELS / source).glob("*.whl"))
    site_packages = python.site_packages
    with tempfile.TemporaryDirectory(dir=python.folder) as folder:
        new, old = Path(folder, "new"), Path(folder, "old")
        old.mkdir()
        _install(python, new, "--no-index", wheel)
        # Programs may be running on the old files: each is moved aside and replaced at once.
        for entry in site_packages.glob(PACKAGE + "*"):
            if not (new / entry.name).exists():
                entry.rename(old / entry.name)
        for entry in new.glob(PACKAGE + "*"):
            if (site_packages / entry.name).exists():
                (site_packages / entry.name).rename(old / entry.name)
            entry.rename(site_packages / entry.name)
    (python.folder / "project.stamp").write_text(source)


def machine(python: WindowsPython) -> tuple[str, ...]:
    """The options that make pip choose files for this Python instead of its own."""
    # The whole version: cryptography's wheels refuse 3.9.0, which pip takes 3.9 for.
    target = ("--platform", "win_amd64", "--python-version", python.base.version)
    return (*target, "--implementation", "cp", "--only-binary=:all:", "--no-deps")


def _install(python: WindowsPython, target: Path, *arguments: str | Path) -> None:
    options = (*machine(python), "--no-compile", "--target")
    venv.pip("install", *options, target, *arguments)


def _sources() -> list[Path]:
    if not (places.ROOT / "setup.cfg").exists():
        raise LabError(f"there is no setup.cfg in {places.ROOT}: the lab runs in a whole checkout")
    package = (places.ROOT / PACKAGE).rglob("*")
    files = [path for path in package if path.is_file() and "__pycache__" not in path.parts]
    return sorted(files) + [path for name in PACKAGING if (path := places.ROOT / name).exists()]


def _name_and_bytes(path: Path) -> tuple[bytes, bytes]:
    return os.path.relpath(path, places.ROOT).encode(), path.read_bytes()


def _given() -> Path | None:
    if GIVEN not in os.environ:
        return None
    found = sorted((places.ROOT / os.environ[GIVEN]).glob("*.whl"))
    if len(found) != 1:
        raise LabError(f"{GIVEN}={os.environ[GIVEN]}: there must be one wheel, not {len(found)}")
    return found[0]


def _build(folder: Path) -> None:
    # From a copy: setuptools writes into the tree that it builds, and packs what is left in there.
    places.WHEELS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.LAB) as scratch:
        copy, out = Path(scratch, "source"), Path(scratch, "wheel")
        given = _given()
        if given is not None:
            out.mkdir()
            shutil.copy(given, out)
            out.rename(folder)
            return
        for path in _sources():
            target = copy / path.relative_to(places.ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        venv.pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, copy)
        out.rename(folder)


def _modified(path: Path) -> float:
    return path.stat().st_mtime
