"""What the installer for Windows does: ``setup ACTION``, run by the Python that it carries.

The installer's windows are tests/winlab/setup/setup.nsi; it unpacks this Python into a folder that
goes, from which ``find`` and ``install`` are run. ``start`` and ``uninstall`` are run from where it
stays. What came of it is the exit status, and in the file of ``--said`` as UTF-16 a sentence for
the user, for ``find`` a second line with Tribler's folder.
"""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Sequence

from tribler_udp_fix.cli import frozen, processes, record, registry, sidecar
from tribler_udp_fix.cli.files import InUse, lay, put, remove
from tribler_udp_fix.cli.places import NoUserData, Places, places
from tribler_udp_fix.cli.shortcut import Shortcut

COMMAND_LINE = "UDP_FIX_SETUP"  # the variable that holds what the installer was called with

DONE, NOT_DONE, NO_TRIBLER, RUNNING = 0, 2, 3, 4  # 1 is the user's: cancelled

_ROOM = 40_000_000  # bytes for all but Python and what the side-car copies, with room to spare
_DISK_FULL = 112  # Windows' own number for it

Say = Callable[[str], None]


class Running(Exception):
    """A program has to end first; the text says which."""


class NoRoom(Exception):
    """The disk has too little room; the text says how much."""


def main(words: Sequence[str]) -> int:
    """Do one thing; returns the exit status."""
    arguments = _parser().parse_args(words)
    asked = _options(os.environ.get(COMMAND_LINE, ""))
    arguments.dir = arguments.dir or asked.get("/tribler")
    arguments.log = arguments.log or asked.get("/log")
    said: list[str] = []
    status = _status_of(arguments, said.append)
    if arguments.said:
        Path(arguments.said).write_text("\n".join(said) + "\n", encoding="utf-16-le")
    if arguments.log:
        Path(arguments.log).write_text(said[0] + "\n", encoding="utf-8")
    return status


def _options(line: str) -> dict[str, str]:
    """What the installer was called with: /TRIBLER=FOLDER and /LOG=FILE."""
    if sys.platform != "win32" or not line:
        return {}
    import ctypes

    split = ctypes.windll.shell32.CommandLineToArgvW
    split.restype = ctypes.POINTER(ctypes.c_wchar_p)
    count = ctypes.c_int()
    words = split(ctypes.c_wchar_p(line), ctypes.byref(count))
    options = (words[index].partition("=") for index in range(1, count.value))
    return {name.lower(): value for name, _, value in options if value}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="setup", allow_abbrev=False)
    parser.add_argument("action", choices=_ACTIONS)
    parser.add_argument("--dir", help="where Tribler is installed")
    parser.add_argument("--version", help="the installer's", default="")
    parser.add_argument("--uninstaller", help="the program to lay as that")
    parser.add_argument("--said", help="where to say, as UTF-16, what came of it")
    parser.add_argument("--log", help="the same, as UTF-8, for whoever looks later")
    return parser


def _status_of(arguments: argparse.Namespace, say: Say) -> int:
    try:
        _ACTIONS[arguments.action](arguments, places(), say)
    except frozen.NoInstallation as exc:
        say(_sentence(str(exc).replace("say where it is with --dir", "choose its folder")))
        return NO_TRIBLER
    except (Running, InUse) as exc:
        say(_sentence(str(exc)))
        return RUNNING
    except (NoUserData, NoRoom, sidecar.NotStarted) as exc:
        say(_sentence(str(exc)))
    except OSError as exc:
        full = exc.errno == errno.ENOSPC or getattr(exc, "winerror", None) == _DISK_FULL
        what = "the disk is full" if full else exc.strerror
        say(_sentence(f"{exc.filename or 'A file'} could not be written: {what}"))
    except Exception as exc:  # the windows have no other way to tell
        say(_sentence(f"something unforeseen went wrong: {type(exc).__name__}: {exc}"))
    else:
        return DONE
    return NOT_DONE


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _find(arguments: argparse.Namespace, places: Places, say: Say) -> None:
    installation = _tribler(arguments, places)
    say(f"Tribler {installation.version or '8'} was found in {installation.folder}.")
    say(str(installation.folder))


def _tribler(arguments: argparse.Namespace, places: Places) -> frozen.Installation:
    if arguments.dir:
        return frozen.find(Path(arguments.dir))
    made = record.read(places)
    if made is not None and Path(made.installation, frozen.LAUNCHER).is_file():
        return frozen.find(Path(made.installation))
    return frozen.find()


def _install(arguments: argparse.Namespace, places: Places, say: Say) -> None:
    installation = _tribler(arguments, places)
    _require_ended(places, installation.launcher)
    source = Path(sys.executable).parent
    _require_room(places, source, installation)
    new, old = places.root / "Python.new", places.root / "Python.old"
    if old.exists() and not places.python.exists():  # it was interrupted
        os.rename(old, places.python)
    for path in (new, old):
        remove(path)
    there = places.root.exists()
    replaced = False
    try:
        lay(source, new, compiled=True)
        if places.python.exists():
            os.rename(places.python, old)
        replaced = True
        os.rename(new, places.python)
        _make_by(places, installation)
        put(places.check, _check(places, installation).as_bytes())
        if arguments.uninstaller:
            put(places.uninstaller, Path(arguments.uninstaller).read_bytes())
        registry.write(places, arguments.version)
    except BaseException:  # an interrupt, too, must leave what was there
        if replaced:
            remove(places.python)
        if old.exists():
            os.rename(old, places.python)
        elif replaced:
            remove(places.check)
        remove(new)
        if not there:
            remove(places.root)
        raise
    remove(old)
    say("Tribler (UDP fix) is in the Start menu. Start it from there from now on.")


def _make_by(places: Places, installation: frozen.Installation) -> None:
    """Make the side-car by the Python that stays: it will renew it."""
    told = places.root / "said.txt"
    command = [str(places.carried), "-B", "-m", "tribler_udp_fix.cli.setup", "make"]
    try:
        done = subprocess.run(
            [*command, "--dir", str(installation.folder), "--log", str(told)],
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise sidecar.NotStarted(told.read_text(encoding="utf-8").strip())
    finally:
        remove(told)


def _make(arguments: argparse.Namespace, places: Places, say: Say) -> None:
    sidecar.make(_tribler(arguments, places), places)
    say("The side-car was made.")


def _check(places: Places, installation: frozen.Installation) -> Shortcut:
    return Shortcut(
        target=str(places.carried),
        folder=str(places.python),
        icon=str(installation.launcher),
        comment="Whether Tribler hears its peers",
        arguments="-m tribler_udp_fix tribler check",
    )


def _require_ended(places: Places, *launchers: Path) -> None:
    if processes.running(places.folder / frozen.LAUNCHER, *launchers) is not None:
        raise Running(
            "Tribler is running: close it, also in the notification area beside the clock, and "
            "try again"
        )
    if processes.running_in(places.python) is not None:
        raise Running("UDP check, or Tribler, is running: close it, and try again")


def _require_room(places: Places, source: Path, installation: frozen.Installation) -> None:
    files = [*source.rglob("*"), *installation.copied]
    wanted = _ROOM + sum(path.stat().st_size for path in files if path.is_file())
    there = next(folder for folder in (places.root, *places.root.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < wanted:
        raise NoRoom(
            f"the disk of {there} has {free // 10**6:,} MB free, and {wanted // 10**6:,} MB are "
            "needed: make room, and try again"
        )


def _start(_arguments: argparse.Namespace, places: Places, say: Say) -> None:
    made = record.read(places)
    if made is None:
        raise sidecar.NotStarted("it is not installed: run the installer again")
    subprocess.Popen(made.command, cwd=places.folder, stdin=subprocess.DEVNULL)
    say("Tribler has been started.")


def _uninstall(_arguments: argparse.Namespace, places: Places, say: Say) -> None:
    """All but the Python that does it, the uninstaller, and what Windows knows of that."""
    _require_ended(places)
    sidecar.unmake(places)
    remove(places.check)
    remove(places.running)
    say("Tribler UDP fix was removed.")


_ACTIONS = {
    "find": _find,
    "install": _install,
    "make": _make,
    "start": _start,
    "uninstall": _uninstall,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
