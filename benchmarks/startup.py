"""What the startup hook costs at interpreter start, against a bare interpreter in the same run.

    python benchmarks/startup.py [--rounds N] [--python PYTHON] [--json]

Makes a virtual environment without pip for each case, starts every case once a round in shuffled
order, on one core where the system can, and prints a Markdown table: the medians of the wall-clock
and the processor time in milliseconds, and the median over the rounds of the ratio to the
baseline's start in that same round, with its 95% confidence interval. The ratio is that of the
processor time, which other programs on the machine disturb less (on Windows, of the wall-clock
time). While a limit lies inside an interval it goes on, up to four times the rounds asked for. Exit
status 0 when the hook keeps its limits, 1 when it does not.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parent.parent
NOTHING = "pass"
ASYNCIO = "import asyncio"
WARM_UPS = 3  # they write the bytecode caches


@dataclasses.dataclass(frozen=True)
class Case:
    """One way to start Python: the contents of its site-packages, the variable, the program."""

    name: str
    site: str
    program: str = NOTHING
    switched_on: bool = False
    baseline: str = "bare"
    limit: float | None = None  # highest ratio to the baseline


CASES = (
    Case("bare", site="empty"),
    Case("a .pth that holds a comment", site="comment"),
    Case("a .pth that holds `import os`", site="import"),
    Case("variable unset", site="ours", limit=1.05),
    Case("setuptools' own distutils-precedence.pth", site="setuptools"),
    Case("variable set, program without asyncio", site="ours", switched_on=True, limit=1.10),
    Case("program imports asyncio, bare", site="empty", program=ASYNCIO),
    Case(
        "the same, plugin on" + ("" if sys.platform == "win32" else " (no Proactor: no wrapt)"),
        site="ours",
        program=ASYNCIO,
        switched_on=True,
        baseline="program imports asyncio, bare",
    ),
)
BARE, COMMENT, IMPORT, OURS, THEIRS = (case.name for case in CASES[:5])


@dataclasses.dataclass(frozen=True)
class Result:
    """What was measured of a case: milliseconds, and the ratio to its baseline."""

    name: str
    wall: float
    cost: float
    baseline: str
    ratio: float
    low: float
    high: float
    limit: float | None


def lay_sites(python: str, folder: Path) -> dict[str, str]:
    """Make the virtual environments; return the path of each one's Python."""
    pythons = {}
    for site in ("empty", "comment", "import", "ours", "setuptools"):
        subprocess.run([python, "-m", "venv", "--without-pip", str(folder / site)], check=True)
        scripts = folder / site / ("Scripts" if sys.platform == "win32" else "bin")
        pythons[site] = str(scripts / "python")
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        where = subprocess.run(
            [pythons[site], "-c", code], check=True, stdout=subprocess.PIPE, encoding="utf-8"
        ).stdout.strip()
        if site == "comment":
            Path(where, "comment.pth").write_text("# nothing\n")
        elif site == "import":
            Path(where, "import.pth").write_text("import os\n")
        elif site == "setuptools":
            _pip_install(python, where, "setuptools")
        elif site == "ours":
            _pip_install(python, where, "wrapt")
            shutil.copy(str(ROOT / "tribler_udp_fix.pth"), where)
            shutil.copytree(
                str(ROOT / "tribler_udp_fix"),
                str(Path(where, "tribler_udp_fix")),
                ignore=shutil.ignore_patterns("__pycache__"),
            )
    return pythons


def _pip_install(python: str, where: str, package: str) -> None:
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--no-deps", "--target", where, package], check=True)


def pin_to_one_core() -> str:
    """Keep this process and its children on one core where that can be; say what was done."""
    if sys.platform != "linux":
        return "not pinned to a core"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


class Starts:
    """Starts every case, round after round, and keeps the milliseconds that each start took."""

    def __init__(self, pythons: dict[str, str]) -> None:
        self._pythons = pythons
        kept = ("PATH", "HOME", "LANG", "SYSTEMROOT", "TEMP", "TMP", "USERPROFILE")
        self._environ = {name: os.environ[name] for name in kept if name in os.environ}
        self.rounds = 0
        self.walls: dict[str, list[float]] = {case.name: [] for case in CASES}
        self.costs: dict[str, list[float]] = {case.name: [] for case in CASES}
        for case in CASES:
            for _ in range(WARM_UPS):
                self._start(case)

    def run(self, rounds: int) -> None:
        """Start every case in this many rounds; the nth times of all cases are those of one."""
        for _ in range(rounds):
            for case in random.sample(CASES, len(CASES)):
                wall, cost = self._start(case)
                self.walls[case.name].append(wall)
                self.costs[case.name].append(cost)
            self.rounds += 1
            if sys.stderr.isatty():
                print(f"\rround {self.rounds} ", end="", file=sys.stderr)
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def _start(self, case: Case) -> tuple[float, float]:
        """Return the wall-clock time, and the processor time where the system tells it."""
        environ = {**self._environ, **({"TRIBLER_UDP_FIX": "1"} if case.switched_on else {})}
        command = [self._pythons[case.site], "-c", case.program]
        began = time.perf_counter()
        if sys.platform == "win32":
            subprocess.run(command, check=True, env=environ)
            wall = cost = time.perf_counter() - began
        else:
            child = os.posix_spawn(command[0], command, environ)
            _, status, usage = os.wait4(child, 0)
            wall = time.perf_counter() - began
            cost = usage.ru_utime + usage.ru_stime
            if status:
                raise SystemExit(f"{' '.join(command)} failed")
        return wall * 1000, cost * 1000


def evaluate(starts: Starts) -> list[Result]:
    """Compare each case with its baseline, round by round."""
    results = []
    for case in CASES:
        wall, cost = starts.walls[case.name], starts.costs[case.name]
        ratios = sorted(mine / base for mine, base in zip(cost, starts.costs[case.baseline]))
        low, high = _interval(ratios)
        results.append(
            Result(
                case.name,
                statistics.median(wall),
                statistics.median(cost),
                case.baseline,
                statistics.median(ratios),
                low,
                high,
                case.limit,
            )
        )
    return results


def _interval(ordered: Sequence[float]) -> tuple[float, float]:
    """Return the 95% confidence interval of the median, from the order statistics."""
    reach = 0.98 * len(ordered) ** 0.5
    middle = (len(ordered) - 1) / 2
    lowest, highest = int(max(0, middle - reach)), int(min(len(ordered) - 1, middle + reach + 1))
    return ordered[lowest], ordered[highest]


def undecided(results: list[Result]) -> bool:
    """Return whether some limit lies inside the interval: more rounds would tell."""
    return any(r.limit is not None and r.low <= r.limit <= r.high for r in results)


def broken_limits(results: list[Result], costs: dict[str, list[float]]) -> list[str]:
    """Return one sentence for each limit that the hook does not keep."""
    broken = [
        f"{result.name}: {result.ratio:.3f} times {result.baseline}, allowed {result.limit:.2f}"
        for result in results
        if result.limit is not None and result.ratio > result.limit
    ]
    dearer = statistics.median(ours - theirs for ours, theirs in zip(costs[OURS], costs[THEIRS]))
    if dearer >= 0:
        broken.append(f"{OURS}: {dearer:.2f} ms more than {THEIRS}, allowed is less than it")
    return broken


def shares(costs: dict[str, list[float]]) -> list[str]:
    """Say what of the hook's cost, unset, is the hook's own, and what any .pth file costs."""
    lines = []
    for more, than in ((COMMENT, BARE), (IMPORT, COMMENT), (OURS, IMPORT)):
        differences = [mine - base for mine, base in zip(costs[more], costs[than])]
        low, high = _interval(sorted(differences))
        share = statistics.median(
            difference / bare for difference, bare in zip(differences, costs[BARE])
        )
        lines.append(
            f"{more}, more than {than}: {statistics.median(differences):.2f} ms "
            f"({low:.2f} to {high:.2f}), {share:.1%} of a bare start"
        )
    return lines


def table(results: list[Result]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| | wall ms | CPU ms | ratio | 95% interval | limit |", "|---|---|---|---|---|---|"]
    for result in results:
        ratio = f"{result.ratio:.3f} | {result.low:.3f} to {result.high:.3f}"
        if result.name == result.baseline:
            ratio = "1 |"
        limit = "" if result.limit is None else f"{result.limit:.2f}"
        cost = f"{result.wall:.1f} | " + ("" if sys.platform == "win32" else f"{result.cost:.1f}")
        lines.append(f"| {result.name} | {cost} | {ratio} | {limit} |")
    return "\n".join(lines)


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=300, help="starts of each case (300)")
    parser.add_argument("--python", default=sys.executable, help="the Python to measure, with pip")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: allowed is a whole number from 1")
    with tempfile.TemporaryDirectory(prefix="startup-") as folder:
        pythons = lay_sites(options.python, Path(folder))
        version = subprocess.run(
            [options.python, "-VV"], check=True, stdout=subprocess.PIPE, encoding="utf-8"
        ).stdout.split()[1]
        pinned = pin_to_one_core()
        starts = Starts(pythons)
        while True:
            starts.run(options.rounds)
            results = evaluate(starts)
            if not undecided(results) or starts.rounds >= 4 * options.rounds:
                break
    broken = broken_limits(results, starts.costs)
    if options.json:
        cases = [dataclasses.asdict(result) for result in results]
        document = {"python": version, "rounds": starts.rounds, "pinned": pinned, "cases": cases}
        document["shares"] = shares(starts.costs)
        print(json.dumps({**document, "broken": broken}, indent=2))
    else:
        print(f"Python {version}, {starts.rounds} shuffled rounds, {pinned}:\n")
        print(table(results))
        print()
        print("\n".join(shares(starts.costs)))
        print()
        print("\n".join(f"LIMIT BROKEN: {sentence}" for sentence in broken) or "All limits kept.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
