"""What endpoints leave that were opened and closed, and sockets that were replaced.

``python3 -m tests.winlab.leaks [--endpoints 10000] [--rebinds 5000] [--python 3.12]`` prints a
table of bytes, handles, Python's objects and sockets. The exit status is 1 where it is not flat.
"""

from __future__ import annotations

import sys
from typing import Sequence

from . import entry, places, scripts
from .pythons import find

SCRIPT = places.ROOT / "tests" / "windows" / "leaks.py"
# For each endpoint or rebind, at most; for all of them.
TRACED, PRIVATE, OBJECTS, HANDLES = 10, 200, 0.01, 20


def main(arguments: Sequence[str]) -> int:
    """Print a row for each kind."""
    parser = entry.described("tests.winlab.leaks", __doc__)
    parser.add_argument("--endpoints", type=int, default=10_000, help="of each kind (%(default)d)")
    parser.add_argument("--rebinds", type=int, default=5000, help="(%(default)d)")
    parser.add_argument("--python", default="3.12", metavar="VERSION", help="(%(default)s)")
    options = parser.parse_args(arguments)
    python = find(options.python)
    (found,) = scripts.rows([python], SCRIPT, str(options.endpoints), str(options.rebinds))
    print(f"Windows Python {python.version}, after as many as a tenth to warm up\n")
    print("| | how many | KiB of Python's | KiB of the system's | handles | objects | sockets | |")
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    good = True
    for row in found:
        flat = (
            row["traced"] <= TRACED * row["times"]
            and row["private"] <= PRIVATE * row["times"]
            and row["objects"] <= OBJECTS * row["times"]
            and row["handles"] <= HANDLES
            and row["sockets"] == 0
        )
        print(
            f"| {row['kind']} | {row['times']:,} | {row['traced'] / 1024:,.1f} | "
            f"{row['private'] / 1024:,.0f} | "
            f"{row['handles']} | {row['objects']} | {row['sockets']} | "
            f"{'flat' if flat else 'GROWS'} |"
        )
        good &= flat
    return int(not good)


if __name__ == "__main__":
    sys.exit(entry.start(main))
