"""``tribler check``: whether this computer is affected, and whether the plugin works here."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import webbrowser
from pathlib import Path
from typing import Any

import tribler_udp_fix
from tribler_udp_fix._switch import SWITCH
from tribler_udp_fix._watchdog._reason import CLOSED
from tribler_udp_fix.cli import frozen, invocation, processes, record, triblers
from tribler_udp_fix.cli.check_page import CheckPage
from tribler_udp_fix.cli.console import say
from tribler_udp_fix.cli.places import NoUserData, places

WORKS, DEAF, CUT_OFF, STARTING = "works", "deaf", "cut off", "starting"
UNTOLD, WITHOUT, NOTHING = "untold", "without", "nothing"
_EXIT = {WORKS: 0, DEAF: 1, CUT_OFF: 1, WITHOUT: 1, NOTHING: 1, STARTING: 2, UNTOLD: 2}

_TRIALS = 120  # seconds that they may take
_NO_WINDOW = 0x08000000  # CREATE_NO_WINDOW
_HEARING = ("healthy", "quiet")
_UNKNOWN = "unknown"
_CONNECTED = "connected"
_AILING = ("cannot send", "no peer")  # conditions of what hears, and yet meets no peer


def main(arguments: argparse.Namespace) -> int:
    """Show the page until it is closed, or print everything as JSON; returns the exit status."""
    trials = Trials()
    if arguments.json:
        trials.join()
        report = examine(trials)
        for tribler in report["triblers"]:
            del tribler["page"]  # it has Tribler's key in it, and this is for bug reports
        print(json.dumps(report, indent=2))
        status: int = report["exit_status"]
        return status
    with CheckPage(lambda: examine(trials)) as page:
        if arguments.no_browser:
            print(page.address, flush=True)
        elif webbrowser.open(page.address):
            say("UDP check is open in your browser, and ends when you close it there")
        else:
            say(f"open this address in your browser, once: {page.address}")
        page.serve()
    return 0


class Trials:
    """The faults tried live on this Python, without the plugin and with it, in programs apart."""

    def __init__(self) -> None:
        self.without: dict[str, Any] | None = None
        self.with_plugin: dict[str, Any] | None = None
        self.error = ""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until they are done."""
        self._thread.join()

    @property
    def state(self) -> str:
        """ "running", "done" or "failed"."""
        if self._thread.is_alive():
            return "running"
        return "failed" if self.error else "done"

    def _run(self) -> None:
        try:
            self.without = _doctor()
            self.with_plugin = _doctor("--with-plugin")
        except (OSError, ValueError, subprocess.SubprocessError) as exc:
            self.error = f"{type(exc).__name__}: {exc}"


def _doctor(*words: str) -> dict[str, Any]:
    python = Path(sys.executable)
    if python.with_name("python.exe").is_file():
        python = python.with_name("python.exe")  # pythonw.exe may have no stdout
    done = subprocess.run(
        [python, "-m", "tribler_udp_fix", "doctor", "--json", *words],
        env={name: value for name, value in os.environ.items() if not name.startswith(SWITCH)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_TRIALS,
        creationflags=_NO_WINDOW if sys.platform == "win32" else 0,
        check=False,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def examine(trials: Trials) -> dict[str, Any]:
    """Everything as plain data; ``exit_status`` is what the help describes."""
    found = triblers.running()
    state, advice = _verdict(found)
    return {
        "exit_status": _EXIT[state],
        "verdict": state,
        "advice": advice,
        "at": time.time(),
        "tribler_udp_fix": tribler_udp_fix.__version__,
        "trials": {
            "state": trials.state,
            "error": trials.error,
            "without": trials.without,
            "with_plugin": trials.with_plugin,
        },
        "triblers": found,
    }


def _verdict(found: list[dict[str, Any]]) -> tuple[str, str]:
    """How it stands, and what the user can do."""
    endpoints = [
        endpoint
        for tribler in found
        for watchdog in tribler["health"]["watchdogs"]
        for endpoint in watchdog["endpoints"]
    ]
    told = [endpoint for endpoint in endpoints if not _tells_nothing(endpoint)]
    if any(endpoint["state"] not in (*_HEARING, _UNKNOWN) for endpoint in told):
        return DEAF, "its health page shows what is being done about it"
    ailing = [endpoint for endpoint in told if endpoint.get("condition") in _AILING]
    if ailing:
        return CUT_OFF, _reasons(ailing) or "its health page says why"
    unknown = [endpoint for endpoint in told if endpoint["state"] == _UNKNOWN]
    if unknown:
        why = _reasons(unknown)
        return (UNTOLD, why) if why else (STARTING, "wait a moment")
    if told:
        return WORKS, ""
    if endpoints:
        return UNTOLD, "no connection of Tribler's that could be checked is open"
    if found:
        return STARTING, "Tribler has just started: wait a moment"
    return _without_one()


def _tells_nothing(endpoint: dict[str, Any]) -> bool:
    """Whether it is not known how it hears, and never will be: connected, or closed on purpose."""
    if endpoint["state"] != _UNKNOWN:
        return False
    return endpoint.get("condition") == _CONNECTED or endpoint.get("reason") == CLOSED


def _reasons(endpoints: list[dict[str, Any]]) -> str:
    """Why, in words; what several have in common once."""
    return "; ".join(dict.fromkeys(one["reason"] for one in endpoints if one.get("reason")))


def _without_one() -> tuple[str, str]:
    try:
        where = places()
    except NoUserData:
        return NOTHING, f"start it by {invocation.command('run')} run_tribler.py"
    made = record.read(where)
    start = "start Tribler (UDP fix) from the Start menu"
    if made is None:
        return NOTHING, f"install it, by its installer or {invocation.command('tribler install')}"
    if processes.running(Path(made.installation, frozen.LAUNCHER)):
        return WITHOUT, f"close Tribler, also in the notification area, and {start}"
    if processes.running(where.folder / frozen.LAUNCHER):
        return STARTING, "Tribler has just started: wait a moment"
    return NOTHING, start
