"""What deafness costs a swarm: a model of IPv8 nodes under churn, run with repeated seeds.

    python3 -m simulation                  the shares with the plugin compared: table, JSON, plot
    python3 -m simulation --sensitivity    which assumption matters most
    python3 -m simulation --defaults       what each setting of the watchdog costs and gains
    python3 -m simulation --peer-times     the same of the peer monitor's times
    sudo python3 -m simulation --against-lab   the model beside real IPv8 nodes, in the lab
    python3 -m simulation --against-kept   the same, with the real runs that are kept

Each writes its files to a folder (docs/swarm) and prints the tables, with what they assume. The
same seeds give the same result, to the last digit. docs/swarm.md tells what the model leaves out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any, Mapping, Sequence

from . import defaults, peer_times, plot, report
from .arguments import KEPT, parse
from .assumptions import Assumed, Assumptions, chosen
from .study import HEALING_RANGES, RANGES, sensitivity, study

# What a plot of a setting shows: what falls, and what rises.
_DRAWN: dict[str, tuple[tuple[str, str, float], ...]] = {
    "probe_after": (
        ("seconds deaf", "seconds_deaf", 1),
        ("1,000 probes a day", "probes_a_day", 0.001),
    ),
    "probe_misses": (("seconds deaf", "seconds_deaf", 1), ("in vain a day", "rearms_a_day", 1)),
    "rebinds_per_hour": (("% of the time deaf", "share_deaf", 100),),
}
FIGURE, UNIT = "deaf_mean", "% of all nodes deaf, mean over time"
# Of what does nothing without the plugin.
HEAL_FIGURE, HEAL_UNIT = "seconds_to_heal", "time deaf with the plugin, of a death, median, seconds"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; returns the exit status."""
    options = parse(__doc__, None if arguments is None else list(arguments))
    start = time.monotonic()
    status = 0
    if options.against_lab or options.against_kept:
        from tests.winlab.errors import LabError  # late: the lab is for Linux alone

        from . import against_lab

        kept = KEPT / "against-lab.json" if options.against_kept else None
        try:
            status = against_lab.main(options.output, options.seeds, kept)
        except LabError as error:
            print(f"winlab: {error}", file=sys.stderr)
            return 2
    elif options.sensitivity:
        _sensitivity(chosen(options), options)
    elif options.defaults:
        _defaults(options)
    elif options.peer_times:
        _peer_times(options)
    else:
        _shares(chosen(options), options)
    took = f"{time.monotonic() - start:.0f} s{_memory()}"
    print(f"\n{took}; written to {options.output}", file=sys.stderr)
    return status


def _memory() -> str:
    """The most that one of the processes has held at once, where the system tells."""
    if sys.platform == "win32":
        return ""
    import resource

    most = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    unit = 2**20 if sys.platform == "darwin" else 2**10  # it counts in bytes there, else in KiB
    return f", {most / unit:,.0f} MiB resident at most in one process"


def _shares(usual: Assumptions, options: argparse.Namespace) -> None:
    swarms = [dataclasses.replace(usual, plugin=share) for share in options.shares]
    results = study(swarms, options.seeds, options.jobs)
    text = f"{report.table(results)}\n\n{report.assumptions(usual, options.seeds, ['plugin'])}"
    lines = [
        plot.Line(
            f"{result.assumed.plugin * 100:g} % with the plugin",
            [(0.0, 0.0), *((hours, share * 100) for hours, share in result.shares)],
        )
        for result in results
    ]
    title = f"Nodes that are deaf, in a swarm of {usual.nodes:,}"
    drawing = plot.lines(title, "hours", "% of all nodes", lines)
    document = report.document(results, options.seeds)
    _write(options.output, f"shares-{usual.nodes}", text, document, drawing)


def _sensitivity(usual: Assumptions, options: argparse.Namespace) -> None:
    seeds, jobs = options.seeds, options.jobs
    middle, swings = sensitivity(usual, RANGES, seeds, jobs, FIGURE)
    middle = middle.times(100)
    swings = [
        s._replace(with_low=s.with_low.times(100), with_high=s.with_high.times(100)) for s in swings
    ]
    everybody = dataclasses.replace(usual, plugin=1.0)
    heal_middle, heals = sensitivity(everybody, HEALING_RANGES, seeds, jobs, HEAL_FIGURE)
    parts = [
        report.sensitivity_table(middle, swings, UNIT),
        report.sensitivity_table(heal_middle, heals, HEAL_UNIT),
        report.assumptions(usual, seeds),
    ]
    document = {
        "seeds": seeds,
        "assumptions": dataclasses.asdict(usual),
        FIGURE: report.swings_document(middle, swings),
        HEAL_FIGURE: report.swings_document(heal_middle, heals),
    }
    title = "Which assumption matters most"
    drawing = plot.swings(title, UNIT, swings, middle.mean or 0.0)
    _write(options.output, "sensitivity", "\n\n".join(parts), document, drawing)


def _defaults(options: argparse.Namespace) -> None:
    found = {name: defaults.sweep(name, options.seeds) for name in defaults.SWEPT}
    for name, costs in found.items():
        lines = [
            plot.Line(
                title, [(value, (of[field].mean or 0.0) * factor) for value, of in costs.items()]
            )
            for title, field, factor in _DRAWN[name]
        ]
        up = " and ".join(line.name for line in lines)
        drawing = plot.lines(f"What {name} costs, and gains", name, up, lines)
        (options.output / f"{name}.svg").write_text(drawing, encoding="utf-8")
    _costs(options, "defaults", found, report.DEFAULTS, defaults.ASSUMED)


def _peer_times(options: argparse.Namespace) -> None:
    found = {name: peer_times.sweep(name, options.seeds) for name in peer_times.SWEPT}
    # Without any last ping it is so bad that nothing else could be seen.
    last = [(value, of) for value, of in found["LAST"].items() if value]
    lines = [
        plot.Line(title, [(value, of[field].mean or 0.0) for value, of in last])
        for title, field in (("falsely gone", "false"), ("seconds until gone", "seconds"))
    ]
    title = "What the last pings cost, and gain"
    across, up = "LAST: pings, one a second", "seconds; in 1,000 peer-hours"
    drawing = plot.lines(title, across, up, lines)
    _costs(options, "peer-times", found, report.PEER_TIMES, peer_times.ASSUMED, drawing)


def _costs(
    options: argparse.Namespace,
    name: str,
    found: Mapping[str, report.Costs],
    columns: report.Columns,
    assumed: Sequence[Assumed],
    drawing: str | None = None,
) -> None:
    tables = [report.costs_table(swept, costs, columns) for swept, costs in found.items()]
    text = "\n\n".join([*tables, report.assumed_table(assumed, options.seeds)])
    document = report.costs_document(found, assumed, options.seeds)
    _write(options.output, name, text, document, drawing)


def _write(
    folder: Path, name: str, text: str, document: dict[str, Any], drawing: str | None
) -> None:
    (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(document) + "\n", encoding="utf-8")
    if drawing is not None:
        (folder / f"{name}.svg").write_text(drawing, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
