"""How fast the repaired transport is, beside the loops that one could use instead.

    sudo python3 -m benchmarks [--python 3.12] [--rounds 11] [--output FOLDER]

Runs in the lab (tests/winlab): the stock ProactorEventLoop, the same with the plugin,
SelectorEventLoop and winloop, each in a Windows Python of its own. Every round measures every
scenario on every one of them, one right after the other, in shuffled order, and the ratios are
those within a round. Everything runs on one core, wineserver and the other end included, so that no
placement of processes favours one. Writes results-VERSION.json, table-VERSION.md, and plots as SVG.
Exit status 0 when the promises in report.py are kept, 1 when not.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Sequence

from tests.winlab import entry, lay, places, venv
from tests.winlab.pythons import WindowsPython, find

from . import plot, report
from .contenders import (
    Child,
    Contender,
    contenders,
    on_one_core,
    start_peer,
    start_subject,
    wineserver,
)
from .measurements import SCENARIOS, Bench, Scenario

PLOTS = {
    "throughput": (("echo-64-32", "echo-500-32", "echo-1400-32", "receive", "send"), "rate"),
    "latency": (("echo-64-1", "echo-500-1", "echo-1400-1"), "median"),
    "cpu": (("echo-500-32", "echo-500-1", "receive", "send"), "cpu"),
    "memory": (("memory-1", "memory-500"), "traced"),
    "ipv8": (("ipv8-unsigned", "ipv8-signed"), "rate"),
}


class Run:
    """All rounds of one run."""

    def __init__(self, python: WindowsPython, chosen: dict[str, Scenario], *, floor: bool) -> None:
        self._python = python
        self._prefix = lay.lay([python])
        self._chosen = chosen
        self._server = wineserver(self._prefix)
        self.contenders = contenders(python, floor=floor)
        self.samples: report.Samples = {}
        self._subjects: dict[str, Child] = {}
        self._peer: Child | None = None

    def rounds(self, count: int) -> None:
        """Measure everything so many times."""
        with on_one_core(0, self._server):
            self._rounds(count)

    def _rounds(self, count: int) -> None:
        try:
            self._start()
            for key, scenario in self._chosen.items():  # first times are another matter
                self._scenario(key, scenario, keep=False)
            for number in range(count):
                for key, scenario in self._chosen.items():
                    self._scenario(key, scenario, keep=True)
                print(f"round {number + 1} of {count}", file=sys.stderr)
        finally:
            for child in (*self._subjects.values(), *([self._peer] if self._peer else [])):
                child.end()

    def _start(self) -> None:
        self._peer = start_peer(self._prefix)
        for contender in self.contenders:
            self._subjects[contender.name] = start_subject(self._python, self._prefix, contender)

    def _scenario(self, key: str, scenario: Scenario, *, keep: bool) -> None:
        for contender in random.sample(self.contenders, len(self.contenders)):
            for figure, value in self._measure(scenario, contender).items():
                if keep:
                    figures = self.samples.setdefault(key, {}).setdefault(figure, {})
                    figures.setdefault(contender.name, []).append(value)

    def _measure(self, scenario: Scenario, contender: Contender) -> dict[str, float]:
        assert self._peer is not None
        if not scenario.fresh:
            return scenario.measure(Bench(self._subjects[contender.name], self._peer, self._server))
        subject = start_subject(self._python, self._prefix, contender, **scenario.variables)
        try:
            return scenario.measure(Bench(subject, self._peer, self._server))
        finally:
            subject.end()


def interpreter_start(rounds: int) -> dict[str, Any]:
    """Run startup.py with the lab's own Python, which has pip."""
    script = Path(__file__).with_name("startup.py")
    command = [str(venv.PYTHON), str(script), "--json", "--rounds", str(rounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def start_table(start: dict[str, Any]) -> str:
    """Return what an interpreter start costs as a Markdown table."""
    rows = [
        f"| {case['name']} | {case['cost']:.1f} | {case['baseline']} | {case['ratio']:.3f} "
        f"({case['low']:.3f}–{case['high']:.3f}) |"
        for case in start["cases"]
        if case["name"] != case["baseline"]
    ]
    head = f"| interpreter start, Python {start['python']} | ms of CPU | baseline | ratio |"
    return "\n".join([head, "|---|---:|---|---|", *rows])


def machine() -> str:
    """Return the processor, how many, and the system."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} × {model}, Linux {platform.release().partition('-')[0]}"


def write(folder: Path, samples: report.Samples, about: dict[str, Any]) -> str:
    """Write the files; return the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    names, version = about["contenders"], about["python"]
    minor = version.rpartition(".")[0]
    head = (
        f"Windows Python {version} in the lab, {about['date']}, {about['machine']}; medians of "
        f"{about['rounds']} rounds. Ratios are the plugin's figure to another's in the same round, "
        "with their middle half.\n\n"
    )
    text = f"{head}{report.table(samples, names)}\n"
    if about["start"]:
        text += f"\n{start_table(about['start'])}\n"
    document = json.dumps(report.document(samples, about), indent=1)
    (folder / f"results-{minor}.json").write_text(document + "\n")
    (folder / f"table-{minor}.md").write_text(text)
    (folder / f"summary-{minor}.md").write_text(f"{head}{report.summary(samples, names)}\n")
    for name, (keys, figure) in PLOTS.items():
        if any(key in samples for key in keys):
            (folder / f"{name}-{minor}.svg").write_text(plot.bars(samples, keys, figure, names))
    return text


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--python", default="3.12", help="the Windows Python (3.12)")
    parser.add_argument("--rounds", type=int, default=11, help="(11)")
    parser.add_argument(
        "--only", action="append", choices=[*SCENARIOS, "start"], help="only this; repeatable"
    )
    parser.add_argument(
        "--floor",
        action="store_true",
        help="with a socket without any loop as well; echo and storm only",
    )
    parser.add_argument("--start-rounds", type=int, default=100, help="of interpreter start (100)")
    parser.add_argument(
        "--again", type=Path, metavar="JSON", help="write what an earlier run found"
    )
    default = places.LAB / "benchmarks" / "results"
    parser.add_argument("--output", type=Path, default=default, help=f"a folder ({default})")
    options = parser.parse_args(arguments)
    if options.floor and not (
        options.only and all(key == "storm" or key.startswith("echo-") for key in options.only)
    ):
        parser.error("--floor: only together with --only echo-... and --only storm")
    if options.rounds < 1 or options.start_rounds < 1:
        parser.error("--rounds and --start-rounds: allowed is a whole number from 1")
    if options.again:
        earlier = json.loads(options.again.read_text())
        return tell(options.output, earlier["samples"], earlier)
    python = find(options.python)
    usual = [key for key, scenario in SCENARIOS.items() if not scenario.by_name_only]
    wanted = options.only or [*usual, "start"]
    has_ipv8 = not python.ipv8.endswith("carries")
    chosen = {
        key: scenario
        for key, scenario in SCENARIOS.items()
        if key in wanted and (has_ipv8 or not scenario.needs_ipv8)
    }
    run = Run(python, chosen, floor=options.floor)
    run.rounds(options.rounds)
    about = {
        "python": python.version,
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "rounds": options.rounds,
        "contenders": [contender.name for contender in run.contenders],
        "start": interpreter_start(options.start_rounds) if "start" in wanted else None,
    }
    return tell(options.output, run.samples, about)


def tell(folder: Path, samples: report.Samples, about: dict[str, Any]) -> int:
    """Write and print what was found; return the exit status."""
    print(write(folder, samples, about))
    promises = report.kept(samples, about["python"])
    for sentence, holds in promises:
        print(f"{'kept' if holds else 'NOT KEPT'}: {sentence}")
    print(f"written to {folder}")
    return int(not all(holds for _, holds in promises))


if __name__ == "__main__":
    sys.exit(entry.start(main))
