"""``tribler``: the installed, frozen Tribler 8, started with the plugin by a side-car."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import tribler_udp_fix
from tribler_udp_fix.cli import frozen, sidecar
from tribler_udp_fix.cli.console import say
from tribler_udp_fix.cli.files import InUse

DONE, NOT_DONE, NOTHING_TO_DO_IT_WITH = 0, 1, 2

READY, OUT_OF_DATE, ABSENT = "ready", "out of date", "absent"


def main(arguments: argparse.Namespace) -> int:
    """Do what was asked for; returns the exit status that the help describes."""
    if sys.platform != "win32":
        say("Tribler is frozen by its installer for Windows: there is nothing to do here")
        return NOTHING_TO_DO_IT_WITH
    actions = {"install": _install, "uninstall": _uninstall, "status": _status}
    try:
        places = sidecar.places()
        status: int = actions[arguments.action](arguments, places)
    except (frozen.NoInstallation, sidecar.NoUserData) as exc:
        say(str(exc))
    except (sidecar.NotStarted, InUse) as exc:
        say(str(exc))
        return NOT_DONE
    except OSError as exc:
        say(f"{exc.filename or 'a file'}: {exc.strerror}")
        return NOT_DONE
    else:
        return status
    return NOTHING_TO_DO_IT_WITH


def _install(arguments: argparse.Namespace, places: sidecar.Places) -> int:
    installation = frozen.find(Path(arguments.dir) if arguments.dir else None)
    made = sidecar.make(installation, places)
    if made.launcher_refused and not arguments.json:
        say(f"Tribler's own launcher cannot be used here: {made.launcher_refused}")
    return _tell(arguments, report(places, installation))


def _uninstall(arguments: argparse.Namespace, places: sidecar.Places) -> int:
    removed = sidecar.unmake(places)
    if arguments.json:
        print(json.dumps({"removed": removed}))
    else:
        print(
            "removed: the shortcut and the side-car" if removed else "there was nothing to remove"
        )
    return DONE


def _status(arguments: argparse.Namespace, places: sidecar.Places) -> int:
    made = sidecar.read(places)
    try:
        installation = frozen.find(Path(made.installation) if made else None)
    except frozen.NoInstallation:
        if made is None:
            raise
        installation = None
    return _tell(arguments, report(places, installation))


def report(places: sidecar.Places, installation: frozen.Installation | None) -> dict[str, Any]:
    """The installation and the side-car as plain data."""
    made = sidecar.read(places)
    trouble = made.out_of_date(places) if made else ""
    state = ABSENT if made is None else OUT_OF_DATE if trouble else READY
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
        return [*lines, ("to make it", "tribler-udp-fix tribler install")]
    lines.append(("plugin", f"tribler_udp_fix {made['plugin']}"))
    way = {
        sidecar.LAUNCHED: "by a copy of its own launcher",
        sidecar.BY_PYTHON: f"by {made['command'][0]}",
    }
    lines.append(("starts Tribler", way[made["way"]]))
    if made["shortcut"]:
        lines.append(("shortcut", f"{Path(made['shortcut']).stem} (Start menu)"))
    if made["state"] == OUT_OF_DATE:
        lines.append(("to renew it", "tribler-udp-fix tribler install"))
    return lines
