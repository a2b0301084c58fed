"""The side-car: a folder of the user's own that starts the installed Tribler with the plugin on."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import tribler_udp_fix
from tribler_udp_fix._startup import _sidecar
from tribler_udp_fix.cli import interpreters, invocation, probe, record
from tribler_udp_fix.cli.files import (
    beside,
    give_back,
    lay,
    put,
    remove,
    remove_if_free,
    remove_or_set_aside,
    require_free,
)
from tribler_udp_fix.cli.frozen import LAUNCHER, Installation
from tribler_udp_fix.cli.places import Places, is_carried
from tribler_udp_fix.cli.record import BY_PYTHON, LAUNCHED, Sidecar
from tribler_udp_fix.cli.shortcut import Shortcut

_START = "start.pyw"
_PACKAGES = ("tribler_udp_fix", "wrapt")

_MODULE = """\
# Made by: tribler-udp-fix tribler install
import sys
sys.path.append({site!r})
from tribler_udp_fix._startup import _sidecar
renewing = {renewing!r}
"""


class NotStarted(Exception):
    """No way was found to start this Tribler with the plugin; the text says what was tried."""


def make(installation: Installation, places: Places) -> Sidecar:
    """Make or renew the side-car, try it, and lay its shortcut.

    Raises NotStarted, where Tribler cannot be started by it, InUse and OSError: then everything is
    as it was before.
    """
    if not _belongs_to(installation, places):
        require_free(places.folder)
    with _kept(places):
        watched = _watched(installation)
        _lay_site(places)
        made = _by_launcher(installation, places, watched)
        put(places.shortcut, _shortcut(made, installation, places).as_bytes())
        put(places.folder / record.FILE, made.as_json())
    return made


def unmake(places: Places) -> bool:
    """Remove the side-car and its shortcut; whether there was anything. Raises InUse."""
    there = places.folder.exists() or places.shortcut.exists()
    require_free(places.folder)
    _remove(places)
    remove(places.running)
    _remove_root(places)
    return there


def _remove(places: Places) -> None:
    shortcuts = (places.shortcut, *beside(places.shortcut))
    for path in (*shortcuts, places.folder, *_copies(places)):
        remove(path)
    _remove_root(places)


def _remove_root(places: Places) -> None:
    if places.root.is_dir() and not any(places.root.iterdir()):
        places.root.rmdir()


def _copies(places: Places) -> tuple[Path, Path]:
    """Where the side-car is kept while it is made anew, and where that copy is made."""
    return places.root / "Tribler.kept", places.root / "Tribler.keeping"


@contextlib.contextmanager
def _kept(places: Places) -> Iterator[None]:
    """Put the side-car and its shortcut back as they were where what is done with them fails.

    A copy is kept: what a program runs on cannot be moved aside.
    """
    kept, keeping = _copies(places)
    if kept.exists():  # whoever kept it was interrupted
        give_back(kept, places.folder)
    for path in (kept, keeping):
        remove(path)
    had = places.folder.exists()
    shortcut = places.shortcut.read_bytes() if places.shortcut.is_file() else None
    try:
        if had:
            lay(places.folder, keeping, compiled=True)
            os.rename(keeping, kept)
        yield
    except BaseException:  # an interrupt, too, must leave what was there
        remove(keeping)
        if not had:
            _remove(places)
        elif kept.exists():
            give_back(kept, places.folder)
            if shortcut is not None:
                put(places.shortcut, shortcut)
        raise
    finally:
        remove(kept)


def _belongs_to(installation: Installation, places: Places) -> bool:
    made = record.read(places)
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
    call = f"_sidecar.start(__name__, {str(installation.folder)!r}, {watched!r}, renewing)\n"
    text = _module(places) + call
    for name in ("__startup__", start):
        put(places.lib / f"{name}.py", text.encode("utf-8"))
    # A launcher that has __startup__ within itself wants these before it asks for anything else.
    put(places.lib / "BUILD_CONSTANTS.py", b"# Tribler's own are read when its lib is known.\n")
    command = [str(places.folder / LAUNCHER)]
    answer = probe.answer_of(command, places.folder)
    about = (tribler_udp_fix.__version__, str(installation.folder), installation.version)
    if answer == _sidecar.WORKS:
        remove(places.folder / _START)
        return Sidecar(*about, LAUNCHED, command, watched, renewer=_renewer())
    refused = Sidecar(*about, BY_PYTHON, [], watched, answer, _renewer())
    return _by_python(installation, places, refused)


def _by_python(installation: Installation, places: Places, made: Sidecar) -> Sidecar:
    remove(places.lib)
    for path in installation.copied:
        remove_or_set_aside(places.folder / path.name)
    call = (
        f"_sidecar.start_here({installation.start_modules!r}, {str(installation.folder)!r}, "
        f"{made.watched!r}, renewing)\n"
    )
    text = _module(places) + call
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


def _module(places: Places) -> str:
    """The beginning of each module of the side-car's own."""
    advice = (
        "run the installer of Tribler UDP fix once more"
        if is_carried(places)
        else invocation.command("tribler install")
    )
    renewing = {"python": _renewer(), "advice": advice}
    return _MODULE.format(site=str(places.site), renewing=renewing)


def _renewer() -> str:
    """This very Python, which has the plugin: without a console, if it has such a form."""
    windowed = Path(sys.executable).with_name(interpreters.WINDOWED)
    return str(windowed if windowed.is_file() else sys.executable)


def _shortcut(made: Sidecar, installation: Installation, places: Places) -> Shortcut:
    target, *arguments = made.command
    return Shortcut(
        target=target,
        folder=str(places.folder),
        icon=str(installation.launcher),
        comment="Tribler, with tribler_udp_fix",
        arguments=subprocess.list2cmdline(arguments),
    )
