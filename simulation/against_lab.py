"""The model beside real IPv8 nodes: the same schedule, in the lab and in the model.

Twelve nodes on Windows Python 3.10 and twelve on 3.12, over loopback, in a thirtieth of the time.
What the model needs to know of the lab is measured there: after how many errors each Python is deaf
(lab_errors.py), and how often an error meets no waiting receive on 3.12, by runs of their own on
another schedule. Exit status 1 where the model's median share deaf, or its median time to deafness,
is outside the real runs' spread.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from tests.winlab import lay, places, scripts
from tests.winlab.pythons import WindowsPython, find

from .account import median_time
from .assumptions import Assumptions
from .study import tell
from .swarm import HOUR, Swarm

HERE = Path(__file__).resolve().parent
FACTOR = 30.0
FIRST_PORT = 20_000
READY = 15.0  # seconds in which the processes start
MODEL_RUNS = 200
# The real nodes look for six as well, and have eight: at this pace answers come late, and too many
# are asked for. What the tables hold is the model's input here, and is compared too.
MODEL_NEIGHBOURS = 7
# The first seeds whose schedules have eight departures that earn errors, or more. Several of them
# calibrate, since how often errors come together differs from schedule to schedule.
CALIBRATING, COMPARED = (2, 8, 9, 10), 5
LAB = Assumptions(
    nodes=24,
    hours=0.5,
    windows=1.0,
    old=0.5,
    icmp=0.5,
    neighbours=6,
    session="c",
    patience=1e9,
    silent=0.0,
    rearm=0.0,
    latency=0.0,
    bootstrap=1.0,
)
RULES = {1: "3.10", 2: "3.12"}


class Compared(NamedTuple):
    """One figure: of each real run, and of the model's runs on the same schedule."""

    title: str
    real: list[float]
    model: list[float]

    @property
    def holds(self) -> bool:
        """Whether the model's median is within the real runs' spread."""
        return min(self.real) <= statistics.median(self.model) <= max(self.real)


def main(folder: Path, seeds: int, kept: Path | None) -> int:
    """Run the lab and the model, print the comparison and keep it; returns the exit status.

    The real runs are added to those that the folder has already, for a few scatter more than the
    model may. *kept*: instead of running the lab again, take the real runs of this file.
    """
    file = folder / "against-lab.json"
    if kept:
        runs = json.loads(kept.read_text())
    else:
        runs = _measure(seeds)
        if file.exists():
            runs = joined(json.loads(file.read_text()), runs)
    file.write_text(json.dumps(runs) + "\n")
    compared, text = compare(runs)
    print(text)
    (folder / "against-lab.md").write_text(text + "\n", encoding="utf-8")
    return int(not all(each.holds for each in compared))


def _measure(seeds: int) -> dict[str, Any]:
    """What the lab tells: the rules of the Pythons, so many real runs, and others for ``busy``.

    Of these, "met" is how many of the errors met no waiting receive, and how many there were.
    """
    pythons = [find(version) for version in RULES.values()]
    rules = [rows[0] for rows in scripts.rows(pythons, HERE / "lab_errors.py")]
    total = len(CALIBRATING) + seeds + 1
    plan, done = schedule(COMPARED), 0
    calibrating: list[dict[str, Any]] = []
    real = []
    # By turns, so that whatever else the machine does concerns both kinds.
    for calibrates, compares in itertools.zip_longest(CALIBRATING, range(seeds)):
        if calibrates is not None:
            calibrating += _lab(pythons, schedule(calibrates), plugin=False)
            tell(done := done + 1, total)
        if compares is not None:
            real.append(_figures(_lab(pythons, plan, plugin=False)))
            tell(done := done + 1, total)
    # One real run with the plugin takes as long as one without, and has never had a deaf node.
    protected = [_figures(_lab(pythons, plan, plugin=True))]
    tell(total, total)
    return {"rules": rules, "met": _met(calibrating), "real": real, "plugin": protected}


def joined(before: dict[str, Any], runs: dict[str, Any]) -> dict[str, Any]:
    """The real runs of both, as far as the Pythons' rules are the same."""
    if before["rules"] != runs["rules"]:
        return runs
    both = {name: before[name] + runs[name] for name in ("real", "plugin")}
    met = [sum(counts) for counts in zip(before["met"], runs["met"])]
    return {"rules": runs["rules"], "met": met, **both}


def compare(runs: dict[str, Any]) -> tuple[list[Compared], str]:
    """The model beside real runs: what has to hold, and the whole as a table."""
    unmet, errors = runs["met"]
    assumed = dataclasses.replace(LAB, busy=unmet / errors, neighbours=MODEL_NEIGHBOURS)
    plan = schedule(COMPARED)
    model = [run(assumed, plan, chance) for chance in range(MODEL_RUNS)]
    protected = dataclasses.replace(assumed, plugin=1.0)
    with_plugin = [run(protected, plan, chance) for chance in range(MODEL_RUNS)]
    compared = [
        _compared(title, name, runs["real"], model)
        for name, title in (
            ("deaf-1", "3.10, % of nodes deaf at the end"),
            ("minutes-1", "3.10, median minutes to deafness"),
            ("deaf-2", "3.12, % of nodes deaf at the end"),
            ("minutes-2", "3.12, median minutes to deafness"),
        )
    ]
    neighbours = _compared(
        "neighbours of a node that hears, mean", "neighbours", runs["real"], model
    )
    title = "both, with the plugin, % of nodes deaf at the end"
    compared.append(_compared(title, "deaf", runs["plugin"], with_plugin))
    return compared, _table([*compared, neighbours], runs)


def schedule(seed: int) -> list[list[tuple[float, bool]]]:
    """Each slot's sessions, as the model draws them: seconds, and whether errors are earned."""
    drawing = Swarm(LAB, seed)
    sessions = []
    for first in drawing.slots:
        slot = [(first.ends, first.earns)]
        while sum(seconds for seconds, _ in slot) < LAB.hours * HOUR:
            slot.append(drawing.session(first.slot, False))
        sessions.append(slot)
    return sessions


def run(
    assumed: Assumptions, sessions: list[list[tuple[float, bool]]], chance: int
) -> dict[str, float | None]:
    """The model on a schedule."""
    given: list[Iterator[tuple[float, bool]]] = [iter(slot) for slot in sessions]
    swarm = Swarm(assumed, chance, given)
    account = swarm.run()
    found: dict[str, float | None]
    found = {"deaf": 100 * account.shares[-1][1], "neighbours": statistics.fmean(account.degrees)}
    for rule in RULES:
        nodes = [node for node in swarm.slots if node.rule == rule]
        if nodes:
            found[f"deaf-{rule}"] = 100 * sum(node.deaf for node in nodes) / len(nodes)
            found[f"minutes-{rule}"] = _minutes(account.exposed[rule])
    return found


def _lab(
    pythons: list[WindowsPython], sessions: list[list[tuple[float, bool]]], *, plugin: bool
) -> list[dict[str, Any]]:
    """Real nodes on a schedule: what became of each session."""
    ports = itertools.count(FIRST_PORT)
    slots = []
    for node, drawn in zip(Swarm(LAB, 0).slots, sessions):
        start, slot = 0.0, []
        for seconds, earns in drawn:
            session: dict[str, Any] = {"start": start, "end": start + seconds, "earns": earns}
            session.update(port=next(ports), slot=node.slot, python=RULES[node.rule])
            slot.append(session)
            start += seconds
        slots.append(slot)
    document: dict[str, Any] = {"slots": slots, "plugin": plugin, "seconds": LAB.hours * HOUR}
    document.update(factor=FACTOR, neighbours=LAB.neighbours, most=LAB.neighbours * 3 // 2)
    lay.lay(pythons)  # before the time runs
    with tempfile.NamedTemporaryFile("w", suffix=".json", dir=places.LAB) as file:
        json.dump(document, file)
        file.flush()
        arguments = (places.windows_path(Path(file.name)), str(time.time() + READY))
        found = scripts.rows(pythons, HERE / "lab_nodes.py", *arguments)
    rules = {session["slot"]: session["python"] for slot in slots for session in slot}
    return [{**row, "python": rules[row["slot"]]} for rows in found for row in rows]


def _met(rows: list[dict[str, Any]]) -> list[int]:
    """How many errors met no waiting receive, on 3.12, which are its deaths; and all errors."""
    newer = [row for row in rows if row["python"] == RULES[2]]
    unmet = [row for row in newer if row["deaf"] is not None]
    return [len(unmet), sum(row["errors"] for row in newer)]


def _figures(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    steps = sum(row["steps"] for row in rows)
    found: dict[str, float | None] = {"neighbours": sum(row["neighbours"] for row in rows) / steps}
    found["deaf"] = _deaf(rows)
    found["unmet"], found["errors"] = _met(rows)
    for rule, python in RULES.items():
        own = [row for row in rows if row["python"] == python]
        found[f"deaf-{rule}"] = _deaf(own)
        times = [
            (row["end"] - row["start"], False)
            if row["deaf"] is None
            else (row["deaf"] - row["start"], True)
            for row in own
        ]
        found[f"minutes-{rule}"] = _minutes(times)
    return found


def _deaf(rows: list[dict[str, Any]]) -> float:
    """The share of the nodes that are there at the end, %."""
    last = [row for row in rows if row["end"] >= LAB.hours * HOUR]
    return 100 * sum(row["deaf"] is not None for row in last) / len(last)


def _minutes(observed: list[tuple[float, bool]]) -> float | None:
    found = median_time(observed)
    return None if found is None else found / 60


def _compared(
    title: str, name: str, real: list[dict[str, Any]], model: list[dict[str, Any]]
) -> Compared:
    # Not reached within the run: as long as the run at least.
    longest = LAB.hours * 60

    def values(runs: list[dict[str, Any]]) -> list[float]:
        return [longest if one[name] is None else one[name] for one in runs]

    return Compared(title, values(real), values(model))


def _table(compared: list[Compared], runs: dict[str, Any]) -> str:
    head = f"| | real runs | their spread | model, median of {MODEL_RUNS} | middle half | within |"
    lines = [head, "|---|---|---:|---:|---:|---|"]
    for each in compared:
        middle = statistics.median(each.model)
        model = sorted(each.model)
        low, high = model[len(model) // 4], model[-1 - len(model) // 4]
        real = f"{len(each.real)}: " + ", ".join(f"{value:.1f}" for value in each.real)
        several = len(each.real) > 1
        spread = f"{min(each.real):.1f}–{max(each.real):.1f}" if several else "–"
        lines.append(
            f"| {each.title} | {real} | {spread} | {middle:.1f} | {low:.1f}–{high:.1f} | "
            f"{'yes' if each.holds else 'NO'} |"
        )
    lines.append("")
    for rule in runs["rules"]:
        alone, together = (
            "hears after 100" if count is None else f"deaf after {count}"
            for count in rule["errors"].values()
        )
        lines.append(
            f"Python {rule['python']}: errors one at a time: {alone}; two at a time: {together}."
        )
    unmet, errors = runs["met"]
    lines.append(
        f"In the runs that calibrate {unmet} of {errors} errors met no waiting receive on "
        f"{RULES[2]}: {unmet / errors:.3f}."
    )
    counted = [one for one in runs["real"] if "errors" in one]
    if counted:
        unmet, errors = (sum(one[name] for one in counted) for name in ("unmet", "errors"))
        lines.append(
            f"In {len(counted)} of the runs that are compared {unmet} of {errors} did: "
            f"{unmet / errors:.3f}."
        )
    return "\n".join(lines)
