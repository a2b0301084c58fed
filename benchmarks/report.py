"""The figures of a run: medians, the spread of the ratios of each round, and what was promised."""

from __future__ import annotations

import statistics
from typing import Any, Dict, List, NamedTuple, Sequence

from .measurements import SCENARIOS

# By scenario, figure and contender: one value for each round.
Samples = Dict[str, Dict[str, Dict[str, List[float]]]]
BASE = "plugin"


class Ratio(NamedTuple):
    """The plugin's figure over another's in the same round: the median, and the middle half."""

    median: float
    low: float
    high: float


class Promise(NamedTuple):
    """What must hold of a ratio; *most* says that it may not be more than the limit."""

    pythons: tuple[str, ...]
    scenario: str
    figure: str
    contender: str
    limit: float
    most: bool = False


STOCK, SELECTOR, WINLOOP = "stock Proactor", "SelectorEventLoop", "winloop"
PROMISES = (
    Promise(("3.12",), "echo-500-32", "rate", STOCK, 1.7),
    Promise(("3.12",), "echo-500-32", "rate", SELECTOR, 1.8),
    Promise(("3.12",), "echo-500-32", "rate", WINLOOP, 1.0),
    Promise(("3.12",), "echo-500-32", "cpu", WINLOOP, 1.0, most=True),
    Promise(("3.8",), "echo-500-32", "rate", STOCK, 1.5),
    Promise(("3.8", "3.12"), "memory-500", "traced", STOCK, 1 / 3, most=True),
    Promise(("3.8", "3.12"), "echo-500-1", "median", STOCK, 1.0, most=True),
    Promise(("3.8", "3.12"), "echo-500-1", "p99", STOCK, 1.0, most=True),
)

SUMMARY = (
    ("echo-64-32", "rate"),
    ("echo-500-32", "rate"),
    ("echo-1400-32", "rate"),
    ("echo-500-32", "cpu"),
    ("echo-500-1", "median"),
    ("echo-500-1", "p99"),
    ("receive", "rate"),
    ("send", "rate"),
    ("storm", "rate"),
    ("memory-500", "traced"),
    ("ipv8-unsigned", "rate"),
    ("ipv8-signed", "rate"),
)


def ratio(samples: Samples, scenario: str, figure: str, contender: str) -> Ratio | None:
    """Compare the plugin with a contender, round by round; None where there is nothing to."""
    figures = samples.get(scenario, {}).get(figure, {})
    pairs = zip(figures.get(BASE, ()), figures.get(contender, ()))
    ratios = sorted(ours / theirs for ours, theirs in pairs if theirs)
    if not ratios:
        return None
    quarter = len(ratios) // 4
    return Ratio(statistics.median(ratios), ratios[quarter], ratios[-1 - quarter])


def kept(samples: Samples, python: str) -> list[tuple[str, bool]]:
    """Return one sentence for each promise about that Python, and whether it is kept."""
    told = []
    for promise in PROMISES:
        found = ratio(samples, promise.scenario, promise.figure, promise.contender)
        if found is None or python.rpartition(".")[0] not in promise.pythons:
            continue
        scenario = SCENARIOS[promise.scenario]
        holds = found.median <= promise.limit if promise.most else found.median >= promise.limit
        unit = scenario.figures[promise.figure][0]
        bound = f"at {'most' if promise.most else 'least'} {promise.limit:.2f}"
        figure = f"{scenario.title}, {unit}: {found.median:.2f} times {promise.contender}"
        told.append((f"{figure}, promised {bound}", holds))
    return told


def summary(samples: Samples, contenders: list[str]) -> str:
    """Return the table's most telling rows."""
    return table(samples, contenders, SUMMARY)


def table(
    samples: Samples, contenders: list[str], rows: Sequence[tuple[str, str]] | None = None
) -> str:
    """Return the figures as a Markdown table: medians, and the plugin's ratio to each other."""
    others = [name for name in contenders if name != BASE]
    heads = ["", "", *contenders, *(f"to {name}" for name in others)]
    lines = [heads, ["---"] * 2 + ["---:"] * (len(heads) - 2)]
    everything = [(key, figure) for key, found in SCENARIOS.items() for figure in found.figures]
    for key, figure in everything if rows is None else rows:
        figures = samples.get(key, {}).get(figure)
        if figures:
            found = [figures.get(name) for name in contenders]
            line = [SCENARIOS[key].title, SCENARIOS[key].figures[figure][0]]
            line += [_number(statistics.median(values)) if values else "" for values in found]
            line += [_ratio(ratio(samples, key, figure, name)) for name in others]
            lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _ratio(found: Ratio | None) -> str:
    return f"{found.median:.2f} ({found.low:.2f}–{found.high:.2f})" if found else ""


def document(samples: Samples, about: dict[str, Any]) -> dict[str, Any]:
    """Return everything, for JSON."""
    ratios = {
        key: {
            figure: {
                name: found._asdict()
                for name in contenders
                if name != BASE
                for found in [ratio(samples, key, figure, name)]
                if found
            }
            for figure, contenders in figures.items()
        }
        for key, figures in samples.items()
    }
    promises = [
        {"promise": sentence, "kept": holds} for sentence, holds in kept(samples, about["python"])
    ]
    return {**about, "promises": promises, "ratios": ratios, "samples": samples}
