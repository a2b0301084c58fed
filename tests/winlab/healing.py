"""Injure endpoints, IPv8's and asyncio's own, with every fault, and tell how long each stays deaf.

``python3 -m tests.winlab.healing`` prints the table of docs/watchdog.md; its exit status is 1 where
an endpoint stays deaf for longer than promised, loses a send, its port, or its transport.
"""

from __future__ import annotations

import sys
from typing import Sequence

from . import entry, places, scripts
from .pythons import find

SCRIPT = places.ROOT / "tests" / "windows" / "healing.py"
PYTHONS = tuple(map(find, ("3.10", "3.12", "3.13")))


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    entry.described("tests.winlab.healing", __doc__).parse_args(arguments)
    found = scripts.rows(PYTHONS, SCRIPT)
    versions = ", ".join(python.version for python in PYTHONS)
    print(f"| fault | endpoint | deaf, s ({versions}) | gap, ms | sends lost | port, transport |")
    print("|---|---|---|---|---|---|")
    for rows in zip(*found):
        deaf = ", ".join(_seconds(row["deaf"]) for row in rows)
        gap = max(row["gap"] for row in rows) * 1000
        lost, sent = (sum(row[name] for row in rows) for name in ("lost", "sent"))
        kept = "kept" if all(row["kept"] for row in rows) else "**changed**"
        fault, endpoint = rows[0]["fault"], rows[0]["endpoint"]
        print(f"| {fault} | {endpoint} | {deaf} | {gap:.0f} | {lost} of {sent} | {kept} |")
    broken = [row for rows in found for row in rows if not row["as_promised"]]
    for row in broken:
        print(f"not as promised: {row}", file=sys.stderr)
    return int(bool(broken))


def _seconds(deaf: float | None) -> str:
    return "for ever" if deaf is None else f"{deaf:.1f}"


if __name__ == "__main__":
    sys.exit(entry.start(main))
