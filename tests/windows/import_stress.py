"""Starts interpreters that import in two or three threads at once what the startup hook awaits.

    python tests/windows/import_stress.py [--starts N] [--seed N] [--stock]

Each start draws two or three of the statements below, and a delay for each. The hook's line runs
first, as ``site`` would run it, with the variable on (``--stock``: without the hook). Prints one
line for each start that hung, that failed one of the program's statements, that wrote to stderr or
that did not end installed, and the counts. Exit status 0 where there was none. It needs wrapt and
pyipv8 beside the Python that runs it, Linux' or Windows'.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Counter, NamedTuple, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
HOOK = (ROOT / "tribler_udp_fix.pth").read_text("ascii")
PATIENCE = 30.0  # seconds for a start that takes one; then it hangs
AT_ONCE = 3

UDP = "ipv8.messaging.interfaces.udp.endpoint"
STATEMENTS = (
    "import asyncio",
    "import asyncio; asyncio.run(asyncio.sleep(0))",
    "import asyncio; asyncio.new_event_loop().close()",
    f"import {UDP}",
    f"from {UDP} import UDPEndpoint; UDPEndpoint(0, '127.0.0.1')",
    "import ipv8.messaging.interfaces.statistics_endpoint",
    "import ipv8.messaging.anonymization.endpoint",
    "import logging.handlers",
    "import concurrent.futures.thread",
    "import ssl",
    "import wrapt",
    "import wrapt.patches",
    "import tribler_udp_fix; tribler_udp_fix.install()",
    "import tribler_udp_fix; tribler_udp_fix.status()",
    "from tribler_udp_fix import PeerMonitor, Watchdog",
    "from tribler_udp_fix import RequestSockets, Watchdog, request",
)
# A program that imports these two at once fails without the hook as well: each thread holds the
# lock of the module that the other one needs.
OWN_FAULTS = ({"import wrapt", "import wrapt.patches"},)

CHILD = """\
import faulthandler, json, os, sys, threading, time
jobs, patience, hook = json.loads(sys.argv[1])
exec(hook, {})
told = {"failed": [], "hung": False, "wrong": ""}
def job(statement, delay):
    time.sleep(delay)
    try:
        exec(statement, {})
    except BaseException as exc:  # whatever it is, it is told
        told["failed"].append(f"{statement}: {exc!r}")
def judge():
    import asyncio, tribler_udp_fix
    status = tribler_udp_fix.status()
    states = {repair.fault: repair.state for repair in status.repairs}
    wanted = {"F13": "ipv8.messaging.interfaces.udp.endpoint"}
    wrong = [fault for fault, module in wanted.items()
             if module in sys.modules and states[fault] != "applied"]
    if sys.platform == "win32" and states["F1"] != "applied":
        wrong.append("F1")
    told["wrong"] = "not installed" if not status.installed else ", ".join(wrong)
def run(threads):
    for thread in threads:
        thread.start()
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        told["hung"] = True
        faulthandler.dump_traceback(all_threads=True)
        print(json.dumps(told), flush=True)
        os._exit(0)
run([threading.Thread(target=job, args=each, daemon=True) for each in jobs])
if hook:
    run([threading.Thread(target=judge, daemon=True)])
print(json.dumps(told))
"""


class Outcome(NamedTuple):
    """How one start ended: ``kind`` is "well", or what went wrong."""

    kind: str
    what: str


def draw(chance: random.Random) -> list[tuple[str, float]]:
    """Two or three statements, and how many seconds each waits."""
    while True:
        statements = chance.sample(STATEMENTS, chance.choice((2, 3)))
        if not any(fault <= set(statements) for fault in OWN_FAULTS):
            return [(each, chance.choice((0.0, chance.uniform(0, 0.15)))) for each in statements]


def start(jobs: Sequence[tuple[str, float]], stock: bool = False) -> Outcome:
    """Start one interpreter with these *jobs*, each in a thread of its own."""
    environ = {k: v for k, v in os.environ.items() if not k.upper().startswith("TRIBLER_UDP_FIX")}
    environ["TRIBLER_UDP_FIX"] = "0" if stock else "1"
    if sys.platform != "win32":
        environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), environ.get("PYTHONPATH", "")])
    told = json.dumps([jobs, PATIENCE, "" if stock else HOOK])
    try:
        child = _child([sys.executable, "-c", CHILD, told], environ)
        done = subprocess.CompletedProcess(child.args, 0, *child.communicate(timeout=3 * PATIENCE))
        done.returncode = child.returncode
    except subprocess.TimeoutExpired:
        child.kill()
        return Outcome("hung", f"{jobs}: nothing was said")
    if done.returncode != 0:
        return Outcome("failed", f"{jobs}: exit status {done.returncode}: {done.stderr}")
    answer = json.loads(done.stdout)
    for kind, what in (
        ("hung", answer["hung"] and done.stderr),
        ("failed", "; ".join(answer["failed"])),
        ("not installed", answer["wrong"] and f"{answer['wrong']}; {done.stderr}"),
        ("complained", done.stderr),
    ):
        if what:
            return Outcome(kind, f"{jobs}: {what}")
    return Outcome("well", "")


def _child(command: list[str], environ: dict[str, str]) -> subprocess.Popen[str]:
    tries = 5
    while True:
        tries -= 1
        try:
            return subprocess.Popen(
                command,
                cwd=str(Path(__file__).parent),  # not the checkout: what pip installed is imported
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError:  # Wine, now and then: "Internal error", and there is no process
            if not tries:
                raise
            time.sleep(0.5)


def run(starts: int, seed: int, stock: bool = False) -> tuple[Counter[str], list[Outcome]]:
    """Start this many; return how many ended how, and those that did not end well."""
    chance = random.Random(seed)
    drawn = [draw(chance) for _ in range(starts)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda jobs: start(jobs, stock), drawn))
    kinds = collections.Counter(outcome.kind for outcome in outcomes)
    return kinds, [outcome for outcome in outcomes if outcome.kind != "well"]


def summary(kinds: Counter[str]) -> str:
    """The counts in one line."""
    wrong = ("hung", "failed", "not installed", "complained")
    return f"{sum(kinds.values())} starts: " + ", ".join(f"{kinds[kind]} {kind}" for kind in wrong)


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--starts", type=int, default=300, help="how many interpreters (300)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--stock", action="store_true", help="without the hook")
    arguments = parser.parse_args()
    kinds, wrong = run(arguments.starts, arguments.seed, arguments.stock)
    for outcome in wrong:
        print(f"{outcome.kind}: {outcome.what}")
    print(f"Python {sys.version.split()[0]}, seed {arguments.seed}: {summary(kinds)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
