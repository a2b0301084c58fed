"""What it costs to watch many endpoints on one event loop: ``python3 -m benchmarks.watchdog``.

Runs in the lab, on Windows Python 3.12, and prints the table of docs/watchdog.md: 1,000 endpoints,
each with a watchdog of its own with the default settings, busy (a datagram every four seconds) and
quiet, beside the same without a watchdog. The exit status is 1 if a busy endpoint cost a probe.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tests.winlab import places, scripts
from tests.winlab.pythons import find

SCRIPT = places.ROOT / "benchmarks" / "endpoints_watched.py"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.watchdog", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--python", default="3.12", metavar="VERSION")
    options = parser.parse_args()
    python = find(options.python)
    (found,) = scripts.rows([python], SCRIPT, str(options.endpoints), str(options.seconds))
    print(
        f"{options.endpoints} endpoints on one ProactorEventLoop, Python {python.version}, "
        f"{options.seconds:g} s each\n"
    )
    print(
        "| | CPU, % of one core | for one endpoint | memory for one, KiB | probes | heard, bytes |"
    )
    print("|---|---|---|---|---|---|")
    for row in found:
        print(_line(row))
    busy = [row for row in found if row["busy"]]
    return int(any(row["probes"] for row in busy) or not all(row["heard"] for row in busy))


def _line(row: dict[str, Any]) -> str:
    name = f"{'busy' if row['busy'] else 'quiet'}, {'watched' if row['watched'] else 'alone'}"
    cpu, each = row["cpu"] * 100, row["cpu"] * 100 / row["endpoints"]
    memory = f"{row['memory'] / 1024:.1f}" if row["watched"] else ""
    return f"| {name} | {cpu:.2f} | {each:.5f} | {memory} | {row['probes']} | {row['heard']} |"


if __name__ == "__main__":
    sys.exit(main())
