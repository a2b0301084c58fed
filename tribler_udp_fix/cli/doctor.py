"""``doctor``: what this interpreter suffers from, found by trying, and what is repaired in it."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import warnings
from typing import TYPE_CHECKING, Any

import tribler_udp_fix
from tribler_udp_fix import _trials
from tribler_udp_fix._faults import FAULTS, IPV8_FAULTS
from tribler_udp_fix._switch import OFF_VALUES, ON_VALUES, SWITCH
from tribler_udp_fix.cli.console import NoRich, make_console, require_rich, say
from tribler_udp_fix.cli.invocation import pip_install, program
from tribler_udp_fix.cli.run import PTH, pth_is_installed

if TYPE_CHECKING:
    from rich.table import Table

HEALTHY, EXPOSED, UNDECIDED = 0, 1, 2

WATCHED_FAULTS = ("F11", "F12")  # of no library's code: the watchdog finds them

_VERDICTS = {HEALTHY: "healthy", EXPOSED: "exposed", UNDECIDED: "could not tell"}
_STYLES = {"healthy": "green", "suffers": "bold red", "unknown": "yellow", "absent": "dim"}


def main(arguments: argparse.Namespace) -> int:
    """Try every fault and print what was found; returns the exit status that the help describes."""
    if not arguments.json:
        try:
            require_rich()
        except NoRich as exc:
            say(str(exc))
            return UNDECIDED
    if arguments.with_plugin:
        try:
            tribler_udp_fix.install(tribler_udp_fix.Settings.from_environ(os.environ))
        except ImportError as exc:
            if "wrapt" not in str(exc):
                raise
            say(f"--with-plugin needs wrapt 1.16 or later ({pip_install('-U wrapt')}): {exc}")
            return UNDECIDED
    report = examine()
    status: int = report["exit_status"]
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _print(report)
    return status


def examine() -> dict[str, Any]:
    """The whole report as plain data. It names no path and no address of this machine."""
    outcomes = _trials.run_trials()
    repairs = {repair.fault: repair for repair in tribler_udp_fix.status().repairs}
    status = exit_status([outcome.verdict for outcome in outcomes])
    return {
        "verdict": _VERDICTS[status],
        "exit_status": status,
        **surroundings(),
        "trials": [
            {
                **outcome._asdict(),
                "title": FAULTS[outcome.fault].title,
                "issue": FAULTS[outcome.fault].issue,
                "repair": repairs[outcome.fault].state,
                "reason": repairs[outcome.fault].reason,
            }
            for outcome in outcomes
        ],
        "not_tried": [
            {
                "fault": fault.id,
                "title": fault.title,
                "issue": fault.issue,
                "repair": repairs[fault.id].state,
                "reason": repairs[fault.id].reason,
            }
            for fault in IPV8_FAULTS.values()
        ],
        "status": tribler_udp_fix.status().as_dict(),
    }


def exit_status(verdicts: list[str]) -> int:
    """0 healthy, 1 exposed, 2 could not tell."""
    if _trials.SUFFERS in verdicts:
        return EXPOSED
    return UNDECIDED if _trials.UNKNOWN in verdicts else HEALTHY


def surroundings() -> dict[str, Any]:
    """The versions and settings that a bug report needs."""
    return {
        "tribler_udp_fix": tribler_udp_fix.__version__,
        "python": f"{platform.python_version()} {platform.architecture()[0]}",
        "implementation": platform.python_implementation(),
        "system": _system(),
        "wrapt": _version("wrapt"),
        "rich": _version("rich"),
        "pyipv8": _version("pyipv8"),
        "event_loop": _event_loop(),
        "event_loop_policy": _policy(),
        "variables": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(SWITCH)
        },
        "pth_installed": pth_is_installed(),
    }


def _system() -> str:
    if sys.platform != "win32":
        return f"{platform.system()} {platform.release()}"
    # Not platform.platform(): from 3.12 on it asks WMI, which takes long and crashes Wine 8.
    windows = sys.getwindowsversion()
    name = f"Windows {windows.major}.{windows.minor}.{windows.build}"
    wine = _wine_version()
    return f"{name} (Wine {wine})" if wine else name


def _wine_version() -> str | None:
    if sys.platform == "win32":
        import ctypes

        function = getattr(ctypes.WinDLL("ntdll"), "wine_get_version", None)
        if function is not None:
            function.restype = ctypes.c_char_p
            version: bytes = function()
            return version.decode("ascii", "replace")
    return None


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _event_loop() -> str:
    loop = asyncio.new_event_loop()
    loop.close()
    return type(loop).__name__


def _policy() -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.14 deprecates, 3.16 removes it
        get_policy = getattr(asyncio, "get_event_loop_policy", None)
        return type(get_policy()).__name__ if get_policy is not None else None


def _print(report: dict[str, Any]) -> None:
    console = make_console(sys.stdout)
    console.print(
        f"tribler_udp_fix {report['tribler_udp_fix']}, Python {report['python']}, "
        f"{report['system']}"
    )
    console.print(
        f"wrapt {report['wrapt'] or 'is not installed'}, {report['event_loop']}"
        + (f" of {report['event_loop_policy']}" if report["event_loop_policy"] else "")
    )
    console.print(_switch_line(report))
    if not hasattr(asyncio, "ProactorEventLoop"):
        faults = [trial["fault"] for trial in report["trials"]]
        console.print(
            f"healthy: there is no ProactorEventLoop on {platform.system()}, "
            f"so asyncio's own faults, {', '.join(faults)}, cannot occur"
        )
        for line in _not_tried(report):
            console.print(line)
    else:
        console.print(_table(report["trials"]))
        for line in _reasons(report["trials"]):
            console.print(line)
        console.print(_conclusion(report))
    # To be copied: in one line, however long the path to Python is.
    console.print(f"For a bug report: {program()} doctor --json", soft_wrap=True)


def _switch_line(report: dict[str, Any]) -> str:
    variables = report["variables"]
    if SWITCH not in variables:
        return f"{SWITCH} is not set"
    word = variables[SWITCH].strip().lower()
    meaning = "on" if word in ON_VALUES else "off" if word in OFF_VALUES else "no known value, off"
    words = [f"{name}={value}" for name, value in variables.items()]
    words[0] += f" ({meaning})"  # what is meant is SWITCH, the first of them in their order
    line = ", ".join(words)
    if not report["status"]["installed"] and not report["pth_installed"]:
        line += f"; nothing reads it here, for {PTH} is not in site-packages"
    return line


def _table(trials: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column("Fault", no_wrap=True)
    table.add_column("Here", no_wrap=True)
    table.add_column("Repair", no_wrap=True)
    table.add_column("What was tried, and what was seen", ratio=1, overflow="fold")
    for trial in trials:
        issue = "" if trial["issue"] == "none" else f" ({trial['issue']})"
        seen = Text(f"{trial['title']}{issue}\n", "bold")
        seen.append(trial["observed"], "not bold")
        table.add_row(
            trial["fault"],
            Text(trial["verdict"], _STYLES[trial["verdict"]]),
            Text(trial["repair"], "yellow" if trial["repair"] == "refused" else ""),
            seen,
        )
    return table


def _reasons(trials: list[dict[str, Any]]) -> list[str]:
    """Why each repair is on or not, once for the faults that share a reason."""
    faults: dict[tuple[str, str], list[str]] = {}
    for trial in trials:
        faults.setdefault((trial["repair"], trial["reason"]), []).append(trial["fault"])
    return [f"{', '.join(ids)} {state}: {reason}" for (state, reason), ids in faults.items()]


def _not_tried(report: dict[str, Any]) -> list[str]:
    """The faults that are not asyncio's: what IPv8 has on every platform, and what is watched."""
    titles = {row["fault"]: row["title"] for row in report["not_tried"]}
    watched = " and ".join(f"{fault} ({titles.pop(fault)})" for fault in WATCHED_FAULTS)
    there = report["pyipv8"] or "is not installed"
    return [
        f"IPv8's own can occur on every platform (pyipv8 {there}), and are not tried here:",
        *(f"  {fault}  {title}" for fault, title in titles.items()),
        (
            f"With {SWITCH}=1 they are repaired in a program that imports IPv8, and its endpoints "
            f"are watched for {watched}."
        ),
    ]


def _conclusion(report: dict[str, Any]) -> str:
    trials = report["trials"]
    count = sum(trial["verdict"] == _trials.SUFFERS for trial in trials)
    seconds = sum(trial["seconds"] for trial in trials)
    if report["exit_status"] == EXPOSED:
        text = f"exposed: this Python suffers from {count} of {len(trials)} faults"
        if not report["status"]["installed"]:
            text += f". With {SWITCH}=1 the plugin repairs them"
    elif report["exit_status"] == HEALTHY:
        text = "healthy: none of the faults was seen"
    else:
        text = "could not tell: this machine cannot show every fault"
    return f"{text} (tried in {seconds:.1f} s)."
