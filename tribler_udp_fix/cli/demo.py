"""``demo``: an echo service that answers departed peers, without and with the plugin."""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import subprocess
import sys
import time
from typing import Callable, Iterator

import tribler_udp_fix
from tribler_udp_fix.cli.console import NoRich, require_rich, say
from tribler_udp_fix.cli.invocation import CLONE, LAB, is_clone
from tribler_udp_fix.cli.pair import Pair, Target

SERVICE = ["-u", "-m", "tribler_udp_fix._trials._echo_service"]
FRAME = 0.1  # seconds between two drawings
PLAIN_STEP = 1.0  # seconds between two lines where nothing can be drawn over


class CannotRun(Exception):
    """There is nothing to try here; the text says why, in one line."""


def main(arguments: argparse.Namespace) -> int:
    """Run the demonstration; returns the exit status that the help describes."""
    try:
        if not arguments.json:
            require_rich(f"{LAB} demo" if is_clone() else "")
        targets = find_targets(arguments.python)
        pairs = [Pair(target) for target in targets]
        with _view(arguments, pairs) as update:
            run_pairs(pairs, arguments, update)
    except (CannotRun, NoRich) as exc:
        say(str(exc))
        return 2
    if arguments.json:
        print(json.dumps(as_dict(pairs), indent=2))
    else:
        from tribler_udp_fix.cli import display

        display.print_result(pairs)
    if arguments.plot is not None:
        from tribler_udp_fix.cli import plot

        arguments.plot.write_text(plot.draw(pairs), encoding="utf-8")
        say(f"wrote {arguments.plot}")
    return 0 if all(pair.kept() for pair in pairs) else 1


def find_targets(wanted: list[str] | None) -> list[Target]:
    """The Pythons to try, lowest version first. Raises CannotRun."""
    if sys.platform == "win32":
        own = platform.python_version()
        for version in wanted or []:
            if not _matches(own, version):
                raise CannotRun(
                    f"--python {version} is not allowed: on Windows the demo runs on the Python "
                    f"that runs it, {own}"
                )
        return [Target(own, [sys.executable, *SERVICE], None)]
    if not is_clone():
        raise CannotRun(
            "demo needs Windows, or Linux and a clone of the project: its lab runs Windows "
            "Pythons there, and an installed package has no lab"
        )
    lab = [sys.executable, "-m", "tests.winlab"]
    versions = _choose(_lab_versions(lab), wanted)
    _lay(lab, versions)
    return [Target(each, [*lab, "run", each, "--", *SERVICE], CLONE) for each in versions]


def run_pairs(pairs: list[Pair], arguments: argparse.Namespace, update: Callable[[], None]) -> None:
    """Run them, ``jobs`` at a time; whatever happens, no service is left behind."""
    waiting = list(pairs)
    active: list[Pair] = []
    try:
        while waiting or active:
            while waiting and len(active) < arguments.jobs:
                active.append(waiting.pop(0))
                active[-1].start(arguments)
            active = [pair for pair in active if pair.running()]
            update()
            time.sleep(FRAME)
    finally:
        for pair in pairs:
            for child in pair.children:
                child.stop()


def as_dict(pairs: list[Pair]) -> dict[str, object]:
    """The result, for JSON."""
    return {
        "tribler_udp_fix": tribler_udp_fix.__version__,
        "ok": all(pair.kept() for pair in pairs),
        "pythons": [
            {
                "version": pair.version,
                "without": pair.without and pair.without.as_dict(),
                "with": pair.protected and pair.protected.as_dict(),
            }
            for pair in pairs
        ],
    }


@contextlib.contextmanager
def _view(arguments: argparse.Namespace, pairs: list[Pair]) -> Iterator[Callable[[], None]]:
    """What is shown while the services run: a drawing on a terminal, else lines on stderr."""
    stream = sys.stderr if arguments.json else sys.stdout
    if stream.isatty():
        from tribler_udp_fix.cli import display

        with display.live(stream, pairs, arguments.peers) as update:
            yield update
        return
    shown = 0.0

    def tell() -> None:
        nonlocal shown
        if time.monotonic() - shown >= PLAIN_STEP:
            shown = time.monotonic()
            for pair in pairs:
                if pair.running():
                    say(_progress(pair))

    yield tell


def _progress(pair: Pair) -> str:
    if not any(child.samples for child in pair.children):
        return f"Python {pair.version}: starting"
    without, protected = pair.children
    return (
        f"Python {pair.version}: heard {without.heard} of {without.sent} without, "
        f"{protected.heard} of {protected.sent} with the plugin"
    )


def _lab_versions(lab: list[str]) -> list[str]:
    try:
        listing = subprocess.run(
            [*lab, "list", "--json"],
            cwd=CLONE,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotRun("the lab does not work here: it did not answer in 60 s") from None
    try:
        versions = [entry["version"] for entry in json.loads(listing.stdout)]
    except (ValueError, TypeError, KeyError):
        last = listing.stderr.strip().splitlines()[-1:] or ["it named no Pythons"]
        raise CannotRun(f"the lab does not work here: {last[0]}") from None
    return versions


def _choose(versions: list[str], wanted: list[str] | None) -> list[str]:
    for version in wanted or []:
        if not any(_matches(each, version) for each in versions):
            raise CannotRun(f"--python {version} is not allowed: there are {', '.join(versions)}")
    return [each for each in versions if not wanted or any(_matches(each, want) for want in wanted)]


def _lay(lab: list[str], versions: list[str]) -> None:
    """Let the lab set itself up, with its own progress on stderr, before anything is drawn."""
    command = [*lab, "lay"]
    for version in versions:
        command += ["--python", version]
    status = subprocess.run(
        command, cwd=CLONE, stdin=subprocess.DEVNULL, stdout=2, check=False
    ).returncode
    if status:
        raise CannotRun(f"the lab could not be set up: it ended with status {status}")


def _matches(version: str, wanted: str) -> bool:
    return version == wanted or version.startswith(wanted + ".")
