"""Whether a node keeps its peers while it is deaf, and while its machine sleeps.

``python3 -m tests.winlab.peers`` prints the table of docs/peers.md, in seven minutes: twelve IPv8
nodes, as IPv8 alone and with the plugin. The exit status is 1 where the plugin loses one.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Sequence

from . import entry, lay, places, scripts
from .pythons import find

SCRIPT = places.ROOT / "tests" / "windows" / "twelve.py"
PYTHONS = tuple(map(find, ("3.10", "3.12", "3.13")))
FAULTS = {"deaf": "one is deaf for 90 s", "asleep": "all sleep for two hours"}
OTHERS = 11
HEARD = 10.0  # seconds, at most, until all are heard again


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    entry.described("tests.winlab.peers", __doc__).parse_args(arguments)
    print("| fault | Python | | fewest peers known | at the end | all heard again after |")
    print("|---|---|---|---:|---:|---:|")
    good = True
    lay.lay(PYTHONS)
    ways = ("alone", "plugin")
    with ThreadPoolExecutor(len(ways)) as both:
        tables = list(both.map(lambda how: scripts.rows(PYTHONS, SCRIPT, how), ways))
    for how, table in zip(ways, tables):
        for python, found in zip(PYTHONS, table):
            for row in found:
                heard = "never" if row["heard"] is None else f"{row['heard']:.1f} s"
                name = "IPv8 alone" if how == "alone" else "with the plugin"
                print(
                    f"| {FAULTS[row['fault']]} | {python.version} | {name} | {row['fewest']} | "
                    f"{row['at the end']} | {heard} |"
                )
                if how == "plugin":
                    in_time = row["heard"] is not None and row["heard"] <= HEARD
                    good &= row["fewest"] == OTHERS and in_time
    return int(not good)


if __name__ == "__main__":
    sys.exit(entry.start(main))
