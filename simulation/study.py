"""Many runs of the model: repeated seeds, and what is swept."""

from __future__ import annotations

import dataclasses
import math
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from fractions import Fraction
from typing import Any, Callable, Iterable, NamedTuple, Sequence

from .assumptions import Assumptions
from .swarm import Swarm

# Student's t for a two-sided 95 %, by the degrees of freedom from 1 on.
T: tuple[float, ...] = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
T += (2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093)
MOST_SEEDS = len(T) + 1


class Estimate(NamedTuple):
    """A figure over the seeds: its mean, and half of the 95 % confidence interval.

    ``mean`` is None where the figure came about in *some* of the *runs* alone, or in none.
    """

    mean: float | None
    half: float
    some: int
    runs: int

    def times(self, factor: float) -> Estimate:
        """The same in another unit."""
        mean = None if self.mean is None else self.mean * factor
        return self._replace(mean=mean, half=self.half * factor)


class Result(NamedTuple):
    """One swarm, run with each seed."""

    assumed: Assumptions
    figures: dict[str, Estimate]  # but for those of groups that have no nodes
    shares: list[tuple[float, float]]  # hours, mean share of the nodes deaf


def run(assumed: Assumptions, seed: int) -> dict[str, Any]:
    """One run, in a process of its own."""
    account = Swarm(assumed, seed).run()
    return {"figures": account.figures(), "shares": account.shares}


def sweep(
    values: Iterable[Any], seeds: int, cost: Callable[[Any, int], Any]
) -> dict[Any, dict[str, Estimate]]:
    """For each value the figures that *cost*, called with it and a seed, returns by name."""
    found = {}
    for value in values:
        runs = [cost(value, seed) for seed in range(1, seeds + 1)]
        found[value] = dict(zip(runs[0]._fields, map(estimate, zip(*runs))))
    return found


def study(swarms: Sequence[Assumptions], seeds: int, jobs: int) -> list[Result]:
    """Each swarm with the seeds 1, 2, ...; progress goes to stderr."""
    wanted = [(place, seed) for place in range(len(swarms)) for seed in range(1, seeds + 1)]
    found: dict[tuple[int, int], dict[str, Any]] = {}
    with ProcessPoolExecutor(jobs) as pool:
        futures = {pool.submit(run, swarms[place], seed): (place, seed) for place, seed in wanted}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            tell(len(found), len(wanted))
    return [
        _result(assumed, [found[place, seed] for seed in range(1, seeds + 1)])
        for place, assumed in enumerate(swarms)
    ]


def tell(done: int, total: int) -> None:
    """Progress: a line that is drawn anew on a terminal, and nothing elsewhere."""
    if sys.stderr.isatty():
        end = "\r\x1b[K" if done == total else ""
        print(f"\r\x1b[K{done} of {total} runs{end}", end="", file=sys.stderr, flush=True)


def estimate(values: Sequence[float | None]) -> Estimate:
    """The mean of some runs' figure, and how sure it is."""
    known = [Fraction(value) for value in values if value is not None]
    some, runs = len(known), len(values)
    if not some or some < runs:
        return Estimate(None, math.inf, some, runs)
    mean = sum(known) / some
    if some == 1:
        return Estimate(float(mean), math.inf, some, runs)
    # Exact until the end: statistics.stdev rounds otherwise before 3.11.
    variance = sum((value - mean) ** 2 for value in known) / (some - 1)
    return Estimate(float(mean), T[some - 2] * math.sqrt(variance / some), some, runs)


def _result(assumed: Assumptions, runs: list[dict[str, Any]]) -> Result:
    names = runs[0]["figures"]
    figures = {name: estimate([one["figures"][name] for one in runs]) for name in names}
    shares = [
        (samples[0][0], statistics.fmean(share for _, share in samples))
        for samples in zip(*(one["shares"] for one in runs))
    ]
    return Result(assumed, figures, shares)


class Swing(NamedTuple):
    """What a figure becomes when one assumption is low, and when it is high."""

    name: str
    low: Any
    high: Any
    with_low: Estimate
    with_high: Estimate

    @property
    def size(self) -> float:
        """By how much the assumption moves the figure."""
        return abs((self.with_high.mean or 0.0) - (self.with_low.mean or 0.0))


# What each assumption might be, where nobody has measured it or swarms differ.
RANGES: dict[str, tuple[Any, Any]] = {
    "icmp": (0.02, 0.3),
    "patience": (1.0, 24.0),
    "windows": (0.3, 0.8),
    "old": (0.0, 1.0),
    "neighbours": (10, 60),
    "session": ("c", "b"),
    "silent": (0.0, 1.0),
    "busy": (0.002, 0.2),
    "rearm": (0.0, 0.1),
    "latency": (0.05, 1.0),
    "bootstrap": (0.01, 0.5),
    "plugin": (0.0, 0.5),
}
# What matters to nobody without the plugin.
HEALING_RANGES: dict[str, tuple[Any, Any]] = {"curable": (0.0, 1.0)}


def sensitivity(
    usual: Assumptions,
    ranges: dict[str, tuple[Any, Any]],
    seeds: int,
    jobs: int,
    figure: str,
) -> tuple[Estimate, list[Swing]]:
    """*figure* as all stands, and its swings, the widest first: one assumption moves at a time."""
    swarms = [usual]
    swarms += [
        dataclasses.replace(usual, **{name: value})
        for name, ends in ranges.items()
        for value in ends
    ]
    middle, *found = [result.figures[figure] for result in study(swarms, seeds, jobs)]
    swings = [
        Swing(name, *ends, *found[2 * place : 2 * place + 2])
        for place, (name, ends) in enumerate(ranges.items())
    ]
    return middle, sorted(swings, key=lambda swing: -swing.size)
