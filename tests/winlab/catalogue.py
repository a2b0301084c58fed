"""Try every fault on every Windows Python of the lab, without the plugin and with it.

``python3 -m tests.winlab.catalogue`` prints the README's table and counts its cells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Dict, Sequence

from tribler_udp_fix._faults import FAULTS

from . import entry, lay, process
from .prefix import Prefix
from .pythons import PYTHONS, WindowsPython

TRIALS = """
import json
from tribler_udp_fix._trials import run_trials
print(json.dumps({outcome.fault: outcome.verdict for outcome in run_trials()}))
"""
MARK = {"healthy": "works", "suffers": "**fails**", "absent": "-", "unknown": "?"}
Verdicts = Dict[str, str]


def verdicts(python: WindowsPython, prefix: Prefix, plugin: bool) -> Verdicts:
    """What the trials find, by fault; *plugin* is the variable and nothing else."""
    env = {name: value for name, value in os.environ.items() if "TRIBLER_UDP_FIX" not in name}
    if plugin:
        env["TRIBLER_UDP_FIX"] = "1"
    trials = process.start(python, prefix, ["-c", TRIALS], env=env)
    out, err = trials.communicate()
    if trials.returncode:
        raise subprocess.CalledProcessError(trials.returncode, str(python), out, err)
    found: Verdicts = json.loads(out)
    return found


def main(arguments: Sequence[str]) -> int:
    """Print the table; the exit status is 1 if a fault is left with the plugin."""
    entry.described("tests.winlab.catalogue", __doc__).parse_args(arguments)
    prefix = lay.lay(PYTHONS)
    stock = [verdicts(python, prefix, plugin=False) for python in PYTHONS]
    fixed = [verdicts(python, prefix, plugin=True) for python in PYTHONS]
    print(_row(["", "fault", *(python.version for python in PYTHONS)]))
    print(_row(["---"] * (2 + len(PYTHONS))))
    for fault in FAULTS.values():
        print(_row([fault.id, fault.title, *(MARK[found[fault.id]] for found in stock)]))
    cells = [
        (before[fault], after[fault]) for before, after in zip(stock, fixed) for fault in FAULTS
    ]
    dies = [cell for cell in cells if cell[0] == "suffers"]
    lives = [cell for cell in dies if cell[1] == "healthy"]
    broken = [cell for cell in cells if cell[0] != "suffers" and cell[1] != cell[0]]
    print(f"\n{len(cells)} cells: {len(dies)} fail without the plugin, {len(lives)} of them work")
    print(f"with it, and {len(broken)} that worked before do not.")
    return int(len(lives) < len(dies) or bool(broken))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(entry.start(main))
