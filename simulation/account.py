"""What a run of the model counts, and the figures that it makes of that."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from tribler_udp_fix import Settings

from .healing import probes_a_second

if TYPE_CHECKING:
    from .healing import Healing
    from .swarm import Node

DAY = 86400.0


class Account:
    """The counts of one run; ``figures()`` when it has ended."""

    def __init__(self) -> None:
        self.deafened = self.silent = self.restarts = self.neighbours_lost = 0
        # Datagrams of nodes that hear: in vain, and of those that are heard the walk's and others.
        self.to_departed = self.walked = 0
        self.to_deaf = self.pings = 0.0
        self.probes = self.rebinds = 0
        self.shares: list[tuple[float, float]] = []  # hours, share of the nodes deaf
        # By the rule of the node's Python: seconds until deaf, or (False) until the end.
        self.exposed: dict[int, list[tuple[float, bool]]] = {1: [], 2: []}
        self.degrees: list[float] = []  # mean number of neighbours of a node that hears
        self._heal_times: list[tuple[float, bool]] = []  # seconds until healed, or until the end
        self._quiet_probes = 0.0
        self._hearing = self._watched = 0.0  # node-seconds

    def ended(self, node: Node, now: float) -> None:
        """A session ended; if the node still heard, nobody knows when it would have gone deaf."""
        if node.rule and not node.deaf:
            self.exposed[node.rule].append((now - node.born, False))

    def deaf(self, node: Node, now: float) -> None:
        """A node went deaf."""
        if node.rule:
            self.exposed[node.rule].append((now - node.born, True))

    def healing(self, done: Healing, died: float, until: float) -> None:
        """A watchdog did what it could *until* then."""
        self.probes += done.probes
        self.rebinds += done.rebinds
        healed = done.at is not None
        self._heal_times.append(((until if done.at is None else done.at) - died, healed))

    def sample(
        self, nodes: list[Node], now: float, every: float, settings: Settings, cycle: float
    ) -> None:
        """Look at the whole swarm; it is taken to have been so for *every* seconds."""
        deaf = entries = heard = watched = 0
        probes: dict[int, float] = {}  # a second, by the number of neighbours
        for node in nodes:
            watched += node.watched
            if node.deaf:
                deaf += 1
                continue
            degree = len(node.table)
            entries += degree
            heard += sum([other.alive and not other.deaf for other in node.table])
            if node.watched:
                if degree not in probes:
                    probes[degree] = probes_a_second(degree / cycle, settings)
                self._quiet_probes += probes[degree] * every
        self.degrees.append(entries / max(len(nodes) - deaf, 1))
        self.pings += heard * every / cycle
        self._watched += watched * every
        self._hearing += (len(nodes) - deaf) * every
        self.shares.append((now / 3600, deaf / len(nodes)))

    def close(self, nodes: list[Node], now: float) -> None:
        """The run has ended: what only the last state tells."""
        for node in nodes:
            self.ended(node, now)
        hearing = [node for node in nodes if not node.deaf]
        ages = [now - since for node in hearing for since in node.table.values()]
        stale = sum(not other.alive or other.deaf for node in hearing for other in node.table)
        self.age = statistics.median(ages) / 60 if ages else 0.0
        self.stale = stale / len(ages) if ages else 0.0
        self.degree = len(ages) / len(hearing) if hearing else 0.0
        self.component = largest_component(hearing) / len(nodes)
        self._exposed_deaf = [node.deaf for node in nodes if node.rule]
        self._watched_deaf = [node.deaf for node in nodes if node.watched]
        self._rules = {node.rule for node in nodes}

    def figures(self) -> dict[str, float | None]:
        """Each figure by its name; None is for what did not come about.

        Those of a group that has no nodes are not there.
        """
        sent = self.pings + self.walked + self.to_departed + self.to_deaf
        hearing = self._hearing / 3600
        figures: dict[str, float | None] = {
            "deaf": self.shares[-1][1],
            "deaf_mean": statistics.fmean(share for _, share in self.shares),
            "wasted": (self.to_departed + self.to_deaf) / sent if sent else 0.0,
            "wasted_on_deaf": self.to_deaf / sent if sent else 0.0,
            "neighbours": self.degree,
            "entry_age_minutes": self.age,
            "entries_stale": self.stale,
            "component": self.component,
            "neighbours_lost_an_hour": self.neighbours_lost / hearing if hearing else 0.0,
            "wasted_an_hour": self.to_deaf / hearing if hearing else 0.0,
            "deafened_by_errors": self.deafened,
            "silent_deaths": self.silent,
            "restarts": self.restarts,
        }
        if self._exposed_deaf:
            figures["exposed_deaf"] = statistics.fmean(self._exposed_deaf)
        for rule, name in (1, "old"), (2, "newer"):
            if rule in self._rules:
                time = median_time(self.exposed[rule])
                figures[f"minutes_to_deafness_{name}"] = None if time is None else time / 60
        if self._watched_deaf:
            watched = self._watched / DAY
            figures["watched_deaf"] = statistics.fmean(self._watched_deaf)
            figures["seconds_to_heal"] = median_time(self._heal_times)
            figures["probes_a_day"] = (self._quiet_probes + self.probes) / watched
            figures["rebinds_a_day"] = self.rebinds / watched
        return figures


def median_time(observed: list[tuple[float, bool]]) -> float | None:
    """The median of times of which some only say "longer than this" (Kaplan and Meier).

    None where fewer than half would have been reached.
    """
    at_risk = len(observed)
    some, of = 1, 1  # the share that is left, exactly: a float may miss a half by a hair
    # At the same moment who went deaf comes before who only left.
    for time, happened in sorted(observed, key=lambda one: (one[0], not one[1])):
        if happened:
            some, of = some * (at_risk - 1), of * at_risk
            if 2 * some <= of:
                return time
        at_risk -= 1
    return None


def largest_component(nodes: list[Node]) -> int:
    """How many nodes the largest connected part of the graph has, of these nodes alone."""
    left = dict.fromkeys(nodes)
    largest = 0
    while left:
        reached: list[Any] = [left.popitem()[0]]
        size = 0
        while reached:
            size += 1
            for other in reached.pop().table:
                if other in left:
                    del left[other]
                    reached.append(other)
        largest = max(largest, size)
    return largest
