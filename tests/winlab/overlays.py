"""Newer asyncios over Windows Python 3.13, since no Windows build of 3.14 and later is on PyPI.

asyncio is Python alone, but for `_overlapped`, whose functions are the same since, and for an
accelerator that it can do without. So a copy of the laid 3.13 gets the asyncio of another, and
takes itself for that one (overlay_boot.py).
"""

from __future__ import annotations

import re
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from . import debian, downloads, places
from .command import run
from .errors import LabError
from .pythons import OVERLAYS, Overlay, WindowsPython

BOOT = places.SOURCES / "overlay_boot.py"
# Before every other .pth file, as the project's may import asyncio.
PTH = """\
import sys; sys.path.insert(0, sys.prefix + "/Lib"); import overlay_boot; sys.path.pop(0); \
overlay_boot.main({version!r}, {blocked})
"""
# typing_extensions asks for it from 3.14 on; 3.13 cannot read a template string in it.
ANNOTATIONS, TEMPLATE = "annotationlib.py", 'type(t"")'
WANTED = ("asyncio/", "concurrent/", ANNOTATIONS)
# Of 3.14, as 3.13 cannot read or carry out 3.15's: `lazy from` imports, new methods of bytearray.
FROM_3_14 = (ANNOTATIONS, "concurrent/futures/__init__.py", "asyncio/streams.py")
# What 3.16 is to lose, what it then needs another body for, and one of these.
POLICY = r"\w*(?:EventLoopPolicy|event_loop_policy)"
GONE = re.compile(rf"{POLICY}|__getattr__")
CURRENT = ("get_event_loop", "set_event_loop", "new_event_loop")
BLOCK = re.compile(r"^(?:def|class) (\w+).*\n(?:(?:[ \t].*)?\n)*", re.MULTILINE)
REST = re.compile(rf"""^{POLICY} = .*\n|["']{POLICY}["'],""", re.MULTILINE)
WITHOUT_POLICIES = """\
class _Current(threading.local):
    loop = None


_current = _Current()


def get_event_loop():
    loop = _get_running_loop() or _current.loop
    if loop is None:
        raise RuntimeError("there is no current event loop")
    return loop


def set_event_loop(loop):
    _current.loop = loop


def new_event_loop():
    from .windows_events import EventLoop
    return EventLoop()


"""


def recipe(python: WindowsPython) -> bytes:
    """Tell one way to lay an overlay from another."""
    return repr(python.overlay).encode() + BOOT.read_bytes() + Path(__file__).read_bytes()


def lay(python: WindowsPython, folder: Path) -> None:
    """Lay a Python in *folder*: a copy of the laid one that it lies over, and the overlay."""
    assert python.overlay is not None
    stamps = shutil.ignore_patterns("*.stamp")
    shutil.copytree(python.base.folder, folder, ignore=stamps)
    library = folder / "Lib"
    shutil.copy(BOOT, library)
    _lay_modules(python.overlay, python.minor, library / "overlay")
    # The accelerator of 3.13 fits every 3.13, and no other.
    blocked = () if python.minor == python.base.minor else ("_asyncio",)
    pth = PTH.format(version=python.version, blocked=blocked)
    (library / "site-packages" / "00_overlay.pth").write_text(pth)


def _lay_modules(overlay: Overlay, minor: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=places.LAB) as name:
        of_3_14 = OVERLAYS[0].overlay
        assert of_3_14 is not None
        own, older = Path(name, "own"), Path(name, "3.14")
        _unpack(overlay, own)
        _unpack(of_3_14, older)
        for part in ("asyncio", "concurrent"):
            shutil.copytree(own / part, folder / part)
        if minor == "3.14":
            shutil.copy(older / ANNOTATIONS, folder)
        elif minor != "3.13":
            for file in FROM_3_14:
                shutil.copy(older / file, folder / file)
    annotations = folder / ANNOTATIONS
    if annotations.exists():
        text = annotations.read_text(encoding="utf-8").replace(TEMPLATE, "type(None)")
        annotations.write_text(text, encoding="utf-8")
    if not overlay.policies:
        _remove_policies(folder / "asyncio")


def needs_npm(python: WindowsPython) -> bool:
    """Whether npm is to fetch something for a Python, which may be no overlay."""
    overlay = python.overlay
    return (
        overlay is not None
        and overlay.archive.endswith(".tgz")
        and not (places.DOWNLOADS / overlay.archive).exists()
    )


def _unpack(overlay: Overlay, folder: Path) -> None:
    """Unpack asyncio, the concurrent.futures that it relies on, and the newest annotationlib."""
    archive = fetch(overlay)
    folder.mkdir()
    if archive.suffix == ".deb":
        debian.unpack(archive, folder)
        (library,) = folder.glob("usr/lib/python3.*")
        for part in ("asyncio", "concurrent"):
            shutil.move(str(library / part), str(folder / part))
        return
    with tarfile.open(archive) as tar:
        member = tar.extractfile("package/python_stdlib.zip")
        assert member is not None
        with zipfile.ZipFile(member) as library_zip:
            names = [name for name in library_zip.namelist() if name.startswith(WANTED)]
            library_zip.extractall(folder, names)


def fetch(overlay: Overlay) -> Path:
    """Give back the verified archive of an overlay, downloaded unless it is there."""
    path = places.DOWNLOADS / overlay.archive
    if not path.exists():
        if path.suffix != ".tgz":
            raise LabError(f"{path} is gone: run `python3 -m tests.winlab newest` again")
        places.DOWNLOADS.mkdir(parents=True, exist_ok=True)
        name, _, release = path.stem.partition("-")
        with tempfile.TemporaryDirectory(dir=places.DOWNLOADS) as scratch:
            command = ["npm", "pack", "--silent", f"{name}@{release}"]
            run(f"npm pack {name}", command, cwd=Path(scratch))
            Path(scratch, overlay.archive).replace(path)
    downloads.verify(path, overlay.sha256)
    return path


def _remove_policies(package: Path) -> None:
    """Take from asyncio what 3.16 is to lose: event loop policies, and how to get and set one."""
    for name in ("__init__.py", "events.py", "windows_events.py"):
        file = package / name
        text = BLOCK.sub(_without_policies, file.read_text(encoding="utf-8"))
        file.write_text(REST.sub("", text), encoding="utf-8")


def _without_policies(block: re.Match[str]) -> str:
    name = block[1]
    if name in CURRENT:
        return WITHOUT_POLICIES if name == CURRENT[0] else ""
    return "" if GONE.fullmatch(name) else block[0]
