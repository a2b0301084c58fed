"""Two IPv8 communities that talk while each endpoint suffers every fault in turn, at random.

``python3 -m tests.winlab.soak [--seconds 180] [--seed N]`` does so on 3.10, 3.12 and 3.13, and
prints what became of the messages. The exit status is 1 where one that was not heard is not
accounted for, a fault was not suffered, a port was lost, or the two do not talk at the end.
"""

from __future__ import annotations

import sys
from typing import Sequence

from . import entry, places, scripts
from .healing import PYTHONS

SCRIPT = places.ROOT / "tests" / "windows" / "soak.py"


def main(arguments: Sequence[str]) -> int:
    """Print a line for each Python and direction."""
    parser = entry.described("tests.winlab.soak", __doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long (%(default)g)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (%(default)d)")
    options = parser.parse_args(arguments)
    found = scripts.rows(PYTHONS, SCRIPT, str(options.seconds), str(options.seed))
    good = True
    for python, (row,) in zip(PYTHONS, found):
        for direction, account in zip(("A to B", "B to A"), row["messages"]):
            why = ", ".join(f"{count} {cause}" for cause, count in account["missed"].items())
            print(
                f"{python.version} {direction}: {account['sent']} sent, {account['heard']} heard; "
                f"missed: {why or 'none'}; unaccounted: {account['unaccounted']}"
            )
        suffered = [sum(faults.values()) for faults in row["faults"]]
        print(
            f"{python.version} faults suffered {suffered}, rebinds {row['rebinds']}, re-armed "
            f"{row['rearms']}, wake-ups renewed {row['wakeups_renewed']}, as promised: "
            f"{row['as_promised']}"
        )
        good &= row["as_promised"]
    return int(not good)


if __name__ == "__main__":
    sys.exit(entry.start(main))
