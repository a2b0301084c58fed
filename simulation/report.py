"""What the model found, as Markdown tables and JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Mapping, Sequence

from .assumptions import Allowed, Assumed, Assumptions
from .study import Estimate, Result, Swing

# The figures in the order of the table: title, factor, digits.
FIGURES: dict[str, tuple[str, float, int]] = {
    "deaf": ("deaf at the end, % of all nodes", 100, 1),
    "exposed_deaf": ("deaf at the end, % of the nodes on Windows without the plugin", 100, 1),
    "watched_deaf": ("deaf at the end, % of the nodes with the plugin", 100, 2),
    "minutes_to_deafness_old": (
        "minutes to deafness without the plugin, Python 3.8 to 3.10, median",
        1,
        0,
    ),
    "minutes_to_deafness_newer": (
        "minutes to deafness without the plugin, Python 3.11 to 3.13, median",
        1,
        0,
    ),
    "seconds_to_heal": ("time deaf with the plugin, of a death, median, seconds", 1, 1),
    "component": ("largest connected part of the nodes that hear, % of all nodes", 100, 1),
    "wasted": (
        "datagrams to the departed and the deaf, % of all that nodes that hear send",
        100,
        2,
    ),
    "wasted_on_deaf": ("datagrams to the deaf, % of all that nodes that hear send", 100, 2),
    "wasted_an_hour": ("datagrams to the deaf, of a node that hears, an hour", 1, 1),
    "neighbours_lost_an_hour": (
        "neighbours that a node that hears loses by their deafness, an hour",
        1,
        2,
    ),
    "neighbours": ("neighbours of a node that hears, mean", 1, 1),
    "entry_age_minutes": ("age of its neighbour-table entries, median, minutes", 1, 0),
    "entries_stale": ("its neighbour-table entries that are departed or deaf, %", 100, 2),
    "probes_a_day": ("probes of a node with the plugin, a day", 1, 0),
    "rebinds_a_day": ("rebinds of a node with the plugin, a day", 1, 3),
    "restarts": ("restarts of deaf nodes by their users, in all", 1, 0),
}
Columns = Mapping[str, "tuple[str, float, int]"]
DEFAULTS: Columns = {
    "seconds_deaf": ("time deaf, of a death, median, s", 1, 1),
    "share_deaf": ("deaf, % of the time", 100, 2),
    "probes_a_day": ("probes a day, where it hears", 1, 0),
    "rearms_a_day": ("re-armed in vain a day, where it hears", 1, 2),
    "rebinds_a_day": ("rebinds a day", 1, 1),
}
PEER_TIMES: Columns = {
    "seconds": ("until who left is gone, median, s", 1, 1),
    "false": ("falsely gone in 1,000 peer-hours", 1, 1),
    "a_second": ("bytes/s for 30 peers", 1, 0),
}
Costs = Mapping[Any, Mapping[str, Estimate]]  # by the value of what is swept, and the column


def told(estimate: Estimate | None, factor: float = 1.0, digits: int = 1) -> str:
    """A mean with half of its confidence interval, or why there is none.

    That is in how many runs the figure came about, or (None) that its group has no nodes.
    """
    if estimate is None:
        return "no such nodes"
    if estimate.mean is None:
        return f"in {estimate.some} of {estimate.runs} runs"
    mean = f"{estimate.mean * factor:,.{digits}f}"
    if math.isinf(estimate.half):
        return mean
    return f"{mean} ± {estimate.half * factor:,.{digits}f}"


def table(results: Sequence[Result]) -> str:
    """A column for each swarm, by its share with the plugin."""
    shares = [f"{result.assumed.plugin * 100:g} % with the plugin" for result in results]
    rows = [["", *shares], ["---", *["---:"] * len(results)]]
    for name, (title, factor, digits) in FIGURES.items():
        figures = [told(result.figures.get(name), factor, digits) for result in results]
        rows.append([title, *figures])
    return _markdown(rows)


def assumptions(assumed: Assumptions, seeds: int, without: Sequence[str] = ()) -> str:
    """The assumptions in words, for what stands beside a result, *without* some."""
    rows = []
    for field in dataclasses.fields(assumed):
        allowed = field.metadata["allowed"]
        meaning = (
            allowed.meaning
            if isinstance(allowed, Allowed)
            else "Weibull sessions of a BitTorrent swarm, minutes: "
            + ", ".join(f"{name} k {k} λ {scale}" for name, (k, scale) in allowed.items())
        )
        if field.name not in without:
            rows.append(Assumed(field.name, getattr(assumed, field.name), meaning))
    return assumed_table(rows, seeds)


def assumed_table(assumed: Sequence[Assumed], seeds: int) -> str:
    """What stands beside a result: names, values and meanings, and the seeds."""
    rows = [["assumption", "value", "meaning"], ["---", "---:", "---"]]
    for name, value, meaning in assumed:
        rows.append([f"`{name}`", value if isinstance(value, str) else f"{value:,}", meaning])
    rows.append(["seeds", str(seeds), "± is half of the 95 % confidence interval over them"])
    return _markdown(rows)


def sensitivity_table(middle: Estimate, swings: Sequence[Swing], unit: str) -> str:
    """The widest swing first."""
    rows = [["assumption", "low", "high", f"{unit}, low", f"{unit}, high"], ["---", *["---:"] * 4]]
    for swing in swings:
        ends = [told(swing.with_low), told(swing.with_high)]
        rows.append([f"`{swing.name}`", str(swing.low), str(swing.high), *ends])
    rows.append(["none is moved", "", "", told(middle), ""])
    return _markdown(rows)


def costs_table(swept: str, costs: Costs, columns: Columns) -> str:
    """A row for each value of what is *swept*."""
    rows = [[f"`{swept}`", *(title for title, _, _ in columns.values())]]
    rows.append(["---:"] * len(rows[0]))
    for value, figures in costs.items():
        cells = [
            told(figures[name], factor, digits) for name, (_, factor, digits) in columns.items()
        ]
        rows.append([f"{value:g}", *cells])
    return _markdown(rows)


# The same for JSON


def document(results: Sequence[Result], seeds: int) -> dict[str, Any]:
    """Each swarm with its assumptions; null is the figure of a group that has no nodes."""
    return {
        "seeds": seeds,
        "swarms": [
            {
                "assumptions": dataclasses.asdict(result.assumed),
                "figures": {
                    **dict.fromkeys(FIGURES),
                    **{name: _estimate(each) for name, each in result.figures.items()},
                },
                "share_deaf": [[round(t, 4), round(s, 6)] for t, s in result.shares],
            }
            for result in results
        ],
    }


def swings_document(middle: Estimate, swings: Sequence[Swing]) -> dict[str, Any]:
    """Each swing, and where none is moved."""
    return {
        "none": _estimate(middle),
        "moved": [
            {
                **swing._asdict(),
                "with_low": _estimate(swing.with_low),
                "with_high": _estimate(swing.with_high),
            }
            for swing in swings
        ],
    }


def costs_document(
    found: Mapping[str, Costs], assumed: Sequence[Assumed], seeds: int
) -> dict[str, Any]:
    """What was swept, and what else was assumed."""
    return {
        "seeds": seeds,
        "assumptions": {name: value for name, value, _ in assumed},
        "swept": {
            swept: [
                {"value": value, **{name: _estimate(each) for name, each in figures.items()}}
                for value, figures in costs.items()
            ]
            for swept, costs in found.items()
        },
    }


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    half = None if math.isinf(estimate.half) else estimate.half
    return {**estimate._asdict(), "half": half}


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
