"""``tribler``: the installed, frozen Tribler 8, started with the plugin by a side-car."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import tribler_udp_fix
from tribler_udp_fix.cli import frozen, invocation, record, sidecar
from tribler_udp_fix.cli.console import say
from tribler_udp_fix.cli.files import InUse
from tribler_udp_fix.cli.places import NoUserData, Places, places

DONE, NOT_DONE, NOTHING_TO_DO_IT_WITH = 0, 1, 2

READY, OUT_OF_DATE, ABSENT = "ready", "out of date", "absent"


def main(arguments: argparse.Namespace) -> int:
    """Do what was asked for; returns the exit status that the help describes."""
    if arguments.action == "check":
        from tribler_udp_fix.cli import check

        return check.main(arguments)
    if sys.platform != "win32":
        text = "Tribler is frozen by its installer for Windows: there is nothing to do here"
        return _fail(arguments, NOTHING_TO_DO_IT_WITH, text)
    actions = {"install": _install, "uninstall": _uninstall, "status": _status}
    try:
        status: int = actions[arguments.action](arguments, places())
    except (frozen.NoInstallation, NoUserData) as exc:
        return _fail(arguments, NOTHING_TO_DO_IT_WITH, str(exc))
    except (sidecar.NotStarted, InUse) as exc:
        return _fail(arguments, NOT_DONE, str(exc))
    except OSError as exc:
        return _fail(arguments, NOT_DONE, f"{exc.filename or 'a file'}: {exc.strerror}")
    return status


def _fail(arguments: argparse.Namespace, status: int, reason: str) -> int:
    if arguments.json:
        told = {"exit_status": status, "error": reason, "installation": None, "sidecar": None}
        print(json.dumps({**told, "tribler_udp_fix": tribler_udp_fix.__version__}, indent=2))
    say(reason)
    return status


def _install(arguments: argparse.Namespace, places: Places) -> int:
    installation = _installation(arguments, places)
    made = sidecar.make(installation, places)
    if made.launcher_refused and not arguments.json:
        say(f"Tribler's own launcher cannot be used here: {made.launcher_refused}")
    return _tell(arguments, report(places, installation))


def _installation(arguments: argparse.Namespace, places: Places) -> frozen.Installation:
    """The one in --dir; else the one that the side-car is for, if it is there still; else any."""
    if arguments.dir:
        return frozen.find(Path(arguments.dir))
    made = record.read(places)
    if made is not None:
        with contextlib.suppress(frozen.NoInstallation):
            return frozen.examine(Path(made.installation))
    return frozen.find()


def _uninstall(arguments: argparse.Namespace, places: Places) -> int:
    removed = sidecar.unmake(places)
    if arguments.json:
        print(json.dumps({"removed": removed}))
    else:
        print(
            "removed: the shortcut and the side-car" if removed else "there was nothing to remove"
        )
    return DONE


def _status(arguments: argparse.Namespace, places: Places) -> int:
    made = record.read(places)
    folder = arguments.dir or (made and made.installation)
    try:
        installation = frozen.find(Path(folder) if folder else None)
    except frozen.NoInstallation:
        if made is None or arguments.dir:
            raise
        installation = None
    return _tell(arguments, report(places, installation))


def report(places: Places, installation: frozen.Installation | None) -> dict[str, Any]:
    """The installation and the side-car as plain data."""
    made = record.read(places)
    trouble = made.out_of_date(places) if made else ""
    if made and not trouble and installation and Path(made.installation) != installation.folder:
        trouble = f"it is for the Tribler in {made.installation}"
    if record.is_damaged(places):
        trouble = f"{places.folder / record.FILE} is damaged"
    state = OUT_OF_DATE if trouble else READY if made else ABSENT
    return {
        "exit_status": DONE if state == READY else NOT_DONE,
        "installation": installation
        and {
            "folder": str(installation.folder),
            "version": installation.version,
            "python": installation.python,
            "launcher": frozen.LAUNCHER,
        },
        "sidecar": {
            "state": state,
            "reason": trouble,
            "folder": str(places.folder),
            "plugin": made and made.plugin,
            "way": made and made.way,
            "launcher_refused": made and made.launcher_refused,
            "command": made and made.command,
            "renewer": made and made.renewer,
            "shortcut": str(places.shortcut) if places.shortcut.is_file() else None,
        },
        "tribler_udp_fix": tribler_udp_fix.__version__,
    }


def _tell(arguments: argparse.Namespace, found: dict[str, Any]) -> int:
    status: int = found["exit_status"]
    if arguments.json:
        print(json.dumps(found, indent=2))
        return status
    for name, text in _lines(found):
        print(f"{name:<15}{text}")
    return status


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    installation, made = found["installation"], found["sidecar"]
    lines = []
    if installation is None:
        lines.append(("Tribler", "not there any more"))
    else:
        version = installation["version"] or "of a version that it does not tell"
        lines.append(("Tribler", f"{version}, Python {installation['python']}"))
        lines.append(("installed in", f"{installation['folder']} (left as it is)"))
    reason = f": {made['reason']}" if made["reason"] else ""
    lines.append(("side-car", made["state"] + reason))
    if made["state"] == ABSENT:
        return [*lines, ("to make it", invocation.command("tribler install"))]
    if made["way"]:
        lines.append(("plugin", f"tribler_udp_fix {made['plugin']}"))
        way = {
            record.LAUNCHED: "by a copy of its own launcher",
            record.BY_PYTHON: f"by {made['command'][0]}",
        }
        lines.append(("starts Tribler", way[made["way"]]))
    if made["shortcut"]:
        lines.append(("shortcut", f"{Path(made['shortcut']).stem} (Start menu)"))
    if made["state"] == OUT_OF_DATE:
        lines.append(("to renew it", invocation.command("tribler install")))
    return lines
