"""Let the network of one of six IPv8 nodes fail, and tell when it has its peers again.

``python3 -m tests.winlab.networks`` prints the table of docs/watchdog.md, in namespaces of its own
on Linux: from the end of each fault the seconds until the first datagram of a peer, and until the
community has heard all five, alone and with the plugin; the datagrams that left by the adapter
that the node is not bound to; and what an endpoint without any socket costs. Its exit status is 1
where the plugin is worse than IPv8 alone, or a datagram left by a wrong adapter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Iterator, Sequence

from . import entry, lay, machines, places, venv
from .errors import LabError
from .machines import SCRIPTS, LinuxMachine, Machine, Outcome, windows_machine
from .network import Namespace, loopback_namespace
from .pythons import WindowsPython, find

NODES = SCRIPTS / "network_faults.py"
# For how many times as long as the others each lasts.
FAULTS = {
    "address gone": 1,
    "another address": 0.2,
    "adapter down": 1,
    "VPN off and on, bound by address": 1,
    "VPN off and on, bound by name": 1,
    "port taken": 2,
    "port reserved": 0.2,
    "resume after an hour": 1,
}
BY_NAME = "VPN off and on, bound by name"
BY_VPN = ("address gone", "VPN off and on, bound by address", BY_NAME)
OURS_ALONE = ("port taken", "port reserved")  # IPv8 alone never binds again
OF_LINUX = ("port reserved",)  # which Windows does by netsh
ALONE, OURS = False, True
AT_ONCE = 7  # the nodes wait for most of the time
SLACK = 5.0  # seconds: IPv8 walks at random
IDLE = 0.01  # of a core


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    parser = entry.described("tests.winlab.networks", __doc__)
    parser.add_argument("--seconds", type=float, default=70.0, help="how long a fault lasts (70)")
    parser.add_argument(
        "--python", metavar="VERSION", help="let the node run on this Windows Python in the lab"
    )
    parser.add_argument("--fault", choices=FAULTS, action="append", help="these alone")
    chosen = parser.parse_args(arguments)
    if not venv.project_ready():
        raise LabError("the lab's own environment is not laid: python3 -m tests.winlab test")
    python = find(chosen.python) if chosen.python else venv.PYTHON
    possible = [fault for fault in FAULTS if not chosen.python or fault not in OF_LINUX]
    faults = chosen.fault or possible
    if not set(faults) <= set(possible):
        parser.error(f"--fault: with --python allowed is one of {', '.join(possible)}")
    if isinstance(python, WindowsPython):
        lay.lay([python])  # once, and not at the same time for each
    runs = [(fault, plugin) for fault in faults for plugin in (ALONE, OURS) if has(fault, plugin)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = dict(
            zip(runs, pool.map(lambda run: suffer(run[0], run[1], chosen.seconds, python), runs))
        )
    print("| fault | lasts, s | first peer heard, s | all five, s | by a wrong adapter |")
    print("|---|---|---|---|---|")
    worse = 0
    for fault in faults:
        ours, alone = seen[fault, OURS], seen.get((fault, ALONE))
        cells = [_both(name, alone, ours) for name in ("first", "all", "leaked")]
        print(f"| {fault} | {chosen.seconds * FAULTS[fault]:g} | {' | '.join(cells)} |")
        worse += is_worse(ours, alone)
    core = idle()
    print(f"\nWithout any socket: {100 * core:.2f} % of a core.")
    return int(bool(worse) or core > IDLE)


def has(fault: str, plugin: bool) -> bool:
    """Whether the fault can be had with the plugin, or without."""
    return plugin or fault not in OURS_ALONE


def is_worse(ours: Outcome, alone: Outcome | None, slack: float = SLACK) -> bool:
    """Whether a datagram left by a wrong adapter, or the plugin was later by *slack* seconds."""
    never = float("inf")
    late = any(
        (never if ours[name] is None else ours[name])
        > (never if alone is None or alone[name] is None else alone[name]) + slack
        for name in ("first", "all")
    )
    return late or bool(ours["leaked"])


def _both(name: str, alone: Outcome | None, ours: Outcome) -> str:
    return f"{_told(alone[name]) if alone else '–'} alone, **{_told(ours[name])}**"


def _told(value: float | None) -> str:
    return "never" if value is None else f"{value:g}"


def suffer(
    fault: str,
    plugin: bool,
    seconds: float,
    python: str | Path | WindowsPython = venv.PYTHON,
) -> Outcome:
    """What one node sees of the fault, on a *python* that has IPv8."""
    name = f"{places.NAME}-{os.getpid()}-{list(FAULTS).index(fault)}{'ours' if plugin else ''}"
    with two_machines(name, fault in BY_VPN) as (there, here):
        others = subprocess.Popen(
            there.command(venv.PYTHON, NODES, "others", fault),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=machines.environ(),
            text=True,
        )
        with others:
            assert others.stdin is not None
            assert others.stdout is not None
            try:
                others.stdout.readline()
                lasts = str(seconds * FAULTS[fault])
                settings = {"BIND_INTERFACE": "vpn"} if fault == BY_NAME else {}
                with _machine(here, python) as machine:
                    return machine.seen(
                        NODES, "victim", fault, lasts, plugin=plugin, settings=settings
                    )
            finally:
                others.stdin.close()


@contextmanager
def _machine(namespace: Namespace, python: str | Path | WindowsPython) -> Iterator[Machine]:
    if isinstance(python, WindowsPython):
        with windows_machine(namespace, python) as machine:
            yield machine
    else:
        # Whoever may bind any port has none that is reserved.
        yield LinuxMachine(namespace, ("setpriv", "--bounding-set=-net_bind_service", python))


def idle() -> float:
    """Which share of a core an endpoint without any socket costs."""
    with loopback_namespace(f"{places.NAME}-{os.getpid()}-idle") as namespace:
        script = SCRIPTS / "networks.py"
        seen = LinuxMachine(namespace).seen(script, "none_at_all", plugin=OURS)
        return float(seen["none_at_all"]["core"])


@contextmanager
def two_machines(name: str, by_vpn: bool) -> Iterator[tuple[Namespace, Namespace]]:
    """Two machines with two cables: the wire, which is the way to everywhere, and the VPN.

    The first has an address on one of them alone.
    """
    with ExitStack() as stack:
        there, here = (stack.enter_context(loopback_namespace(f"{name}-{which}")) for which in "ab")
        for cable, net in (("wire", "10.66.1"), ("vpn", "10.78.0")):
            peer = ("peer", "name", cable, "netns", there.name)
            here.run("ip", "link", "add", cable, "type", "veth", *peer)
            here.run("ip", "address", "add", f"{net}.2/24", "dev", cable)
            if (cable == "vpn") is by_vpn:
                there.run("ip", "address", "add", f"{net}.1/24", "dev", cable)
            for namespace in (here, there):
                namespace.run("ip", "link", "set", "dev", cable, "up")
        if by_vpn:  # so that whatever leaves by the wire is on it at once
            gateway = ("10.66.1.1", "lladdr", "02:00:00:00:00:01", "dev", "wire")
            here.run("ip", "neighbour", "add", *gateway)
        here.run("ip", "route", "add", "default", "via", "10.66.1.1", "dev", "wire")
        yield there, here


if __name__ == "__main__":
    sys.exit(entry.start(main))
