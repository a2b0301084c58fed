"""The side-car: a folder of the user's own that starts the installed Tribler with the plugin on."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import tribler_udp_fix
from tribler_udp_fix._startup import _sidecar
from tribler_udp_fix.cli import interpreters, probe
from tribler_udp_fix.cli.files import beside, lay, put, remove, remove_if_free, require_free
from tribler_udp_fix.cli.frozen import LAUNCHER, Installation
from tribler_udp_fix.cli.shortcut import Shortcut

LAUNCHED, BY_PYTHON = "launcher", "python"  # the ways in which a side-car starts Tribler

_RECORD = "sidecar.json"
_START = "start.pyw"
_SHORTCUT = "Tribler (UDP fix).lnk"
_PACKAGES = ("tribler_udp_fix", "wrapt")

_MODULE = """\
# Made by: tribler-udp-fix tribler install
import sys
sys.path.append({site!r})
from tribler_udp_fix._startup import _sidecar
"""


class NotStarted(Exception):
    """No way was found to start this Tribler with the plugin; the text says what was tried."""


class NoUserData(Exception):
    """This process does not know where its user's own data is; the text says which variable."""


class Places(NamedTuple):
    """Where the side-car and its shortcut are, below folders that are the user's own."""

    folder: Path
    shortcut: Path

    @property
    def lib(self) -> Path:
        """Where the copied launcher looks for modules."""
        return self.folder / "lib"

    @property
    def site(self) -> Path:
        """Where the plugin is."""
        return self.folder / "site"


class Sidecar(NamedTuple):
    """A side-car as it was made, kept in a file within it.

    ``way`` is "launcher" or "python", ``command`` what it starts Tribler with. ``watched`` are the
    files that it has copies of: name, size in bytes, time of the last change in nanoseconds.
    """

    plugin: str
    installation: str
    version: str | None
    way: str
    command: list[str]
    watched: list[tuple[str, int, int]]
    launcher_refused: str = ""

    def out_of_date(self, places: Places) -> str:
        """Why it has to be made anew, in words; "" when it need not."""
        for path in self._files(places):
            if not path.is_file():
                return f"{path} is missing"
        changed = _sidecar.what_changed(self.installation, self.watched)
        if changed:
            return f"Tribler was updated: its {changed} is not the one that was copied"
        if self.plugin != tribler_udp_fix.__version__:
            return f"it has tribler_udp_fix {self.plugin}"
        return "" if places.shortcut.is_file() else "its shortcut is missing"

    def _files(self, places: Places) -> list[Path]:
        """Some that it cannot do without."""
        files = [Path(word) for word in self.command if not word.startswith("-")]
        if self.way == LAUNCHED:
            files += [places.folder / name for name, *_ in self.watched]
            files.append(places.lib / "__startup__.py")
        return [*files, places.site / "tribler_udp_fix" / "_startup" / "_sidecar.py"]


def places() -> Places:
    """Where they go: %LOCALAPPDATA% and the Start menu in %APPDATA%. Raises NoUserData."""
    for variable in ("LOCALAPPDATA", "APPDATA"):
        if not os.environ.get(variable):
            raise NoUserData(f"there is no folder for your own data: {variable} is not set")
    # A Python from Microsoft's Store sees AppData through a layer of its own; realpath() tells
    # where its files really are, which is where other programs find them.
    local = os.path.realpath(os.environ["LOCALAPPDATA"])
    if len(os.path.splitdrive(local)[0]) > len("C:"):
        raise NoUserData(
            f"LOCALAPPDATA is on another machine ({local}), not on a drive of this one"
        )
    menu = Path(os.environ["APPDATA"]) / "Microsoft" / "Windows" / "Start Menu" / "Programs"
    return Places(Path(local) / "tribler_udp_fix" / "Tribler", menu / _SHORTCUT)


def read(places: Places) -> Sidecar | None:
    """The side-car that is there, or None. Raises nothing: what cannot be read is not there."""
    try:
        record: dict[str, Any] = json.loads((places.folder / _RECORD).read_text(encoding="utf-8"))
        record["watched"] = [tuple(file) for file in record["watched"]]
        return Sidecar(**record)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def make(installation: Installation, places: Places) -> Sidecar:
    """Make or renew the side-car, try it, and lay its shortcut.

    Raises NotStarted, with nothing left behind, where Tribler cannot be started by it, and InUse.
    """
    if not _belongs_to(installation, places):
        require_free(places.folder)
    watched = _watched(installation)
    _lay_site(places)
    try:
        made = _by_launcher(installation, places, watched)
        put(places.shortcut, _shortcut(made, installation, places).as_bytes())
        record = json.dumps(made._asdict(), indent=2)
        put(places.folder / _RECORD, record.encode("utf-8"))
    except NotStarted:
        unmake(places)
        raise
    return made


def unmake(places: Places) -> bool:
    """Remove the side-car and its shortcut; whether there was anything. Raises InUse."""
    there = places.folder.exists() or places.shortcut.exists()
    require_free(places.folder)
    for path in (places.shortcut, *beside(places.shortcut), places.folder):
        remove(path)
    if places.folder.parent.is_dir() and not any(places.folder.parent.iterdir()):
        places.folder.parent.rmdir()
    return there


def _belongs_to(installation: Installation, places: Places) -> bool:
    made = read(places)
    return made is None or Path(made.installation) == installation.folder


def _watched(installation: Installation) -> list[tuple[str, int, int]]:
    stats = ((path.name, path.stat()) for path in installation.copied)
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _lay_site(places: Places) -> None:
    """Copy the plugin and wrapt, without what was compiled: this Python may not be Tribler's.

    wrapt does without its extension.
    """
    from importlib.util import find_spec

    for name in _PACKAGES:
        spec = find_spec(name)
        assert spec is not None, name
        assert spec.submodule_search_locations, name
        lay(Path(next(iter(spec.submodule_search_locations))), places.site / name)


def _by_launcher(
    installation: Installation, places: Places, watched: list[tuple[str, int, int]]
) -> Sidecar:
    for path in installation.copied:
        put(places.folder / path.name, path.read_bytes())
    names = {path.name.lower() for path in installation.copied}
    for path in places.folder.glob("*.dll"):
        if path.name.lower() not in names:  # of the Tribler before an update
            remove_if_free(path)
    encodings = installation.lib / "encodings"
    if encodings.is_dir():
        lay(encodings, places.lib / "encodings", compiled=True)
    else:  # the launcher has them within itself
        remove_if_free(places.lib / "encodings")
    start, _ = installation.start_modules
    call = f"_sidecar.start(__name__, {str(installation.folder)!r}, {watched!r})\n"
    text = _MODULE.format(site=str(places.site)) + call
    for name in ("__startup__", start):
        put(places.lib / f"{name}.py", text.encode("utf-8"))
    # A launcher that has __startup__ within itself wants these before it asks for anything else.
    put(places.lib / "BUILD_CONSTANTS.py", b"# Tribler's own are read when its lib is known.\n")
    command = [str(places.folder / LAUNCHER)]
    answer = probe.answer_of(command, places.folder)
    about = (tribler_udp_fix.__version__, str(installation.folder), installation.version)
    if answer == _sidecar.WORKS:
        remove(places.folder / _START)
        return Sidecar(*about, LAUNCHED, command, watched)
    return _by_python(installation, places, Sidecar(*about, BY_PYTHON, [], watched, answer))


def _by_python(installation: Installation, places: Places, made: Sidecar) -> Sidecar:
    for path in [places.lib, *(places.folder / path.name for path in installation.copied)]:
        remove(path)
    call = (
        f"_sidecar.start_here({installation.start_modules!r}, {str(installation.folder)!r}, "
        f"{made.watched!r})\n"
    )
    text = _MODULE.format(site=str(places.site)) + call
    put(places.folder / _START, text.encode("utf-8"))
    tried = []
    for python in interpreters.matching(installation.python):
        command = [str(python), "-I", "-S", str(places.folder / _START)]
        answer = probe.answer_of(command, places.folder)
        if answer == _sidecar.WORKS:
            return made._replace(command=command)
        tried.append(f"{python}: {answer}")
    raise NotStarted(
        f"the launcher of this Tribler cannot be used ({made.launcher_refused}), and "
        + (
            f"its Python {installation.python} cannot either ({'; '.join(tried)})"
            if tried
            else f"there is no Python {installation.python} to start it with: install the 64-bit "
            f"Python {installation.python} from python.org, for yourself alone, and try again"
        )
    )


def _shortcut(made: Sidecar, installation: Installation, places: Places) -> Shortcut:
    target, *arguments = made.command
    return Shortcut(
        target=target,
        folder=str(places.folder),
        icon=str(installation.launcher),
        comment="Tribler, with tribler_udp_fix",
        arguments=subprocess.list2cmdline(arguments),
    )
