"""The figures of a run: medians, the spread of the ratios of each round, and what was promised."""

from __future__ import annotations

import statistics
from typing import Any, Dict, List, NamedTuple

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


def table(samples: Samples, contenders: list[str]) -> str:
    """Return the figures as a Markdown table: medians, and the plugin's ratio to each other."""
    others = [name for name in contenders if name != BASE]
    heads = ["", "", *contenders, *(f"to {name}" for name in others)]
    rows = [heads, ["---"] * 2 + ["---:"] * (len(heads) - 2)]
    for key, scenario in SCENARIOS.items():
        for figure, (unit, _) in scenario.figures.items():
            figures = samples.get(key, {}).get(figure)
            if not figures:
                continue
            row = [scenario.title, unit]
            row += [
                _number(statistics.median(figures[n])) if n in figures else "" for n in contenders
            ]
            row += [_ratio(ratio(samples, key, figure, name)) for name in others]
            rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


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
