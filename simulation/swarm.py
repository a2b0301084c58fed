"""The model: a swarm of IPv8 nodes under churn, event by event, in simulated seconds.

A node looks for neighbours by introductions, and both of a pair keep each other in their tables.
Who is silent for 27.5 s is pinged, and again every 10 s, and dropped after 57.5 s (IPv8's
``RandomChurn``). After a share *icmp* of departures those pings earn ICMP errors, and a node on
Windows without the plugin goes deaf by them as its Python does. A deaf node throws its peers out,
and is thrown out by them; it stays deaf until its user restarts it, or its session ends. With the
plugin no error deafens, and a death without an error is healed as the watchdog decides.

The number of events grows with nodes and time alone, so both the time and the memory of a run are
near linear in the number of nodes.
"""

from __future__ import annotations

import heapq
import math
import random
from typing import Any, Callable, Iterator

from tribler_udp_fix._watchdog._policy import Policy

from . import healing
from .account import Account
from .assumptions import SESSIONS, Assumptions

PING_AFTER, PING_EVERY, DROP_AFTER = 27.5, 10.0, 57.5  # RandomChurn's
PINGS = 3  # to who has gone, from PING_AFTER to DROP_AFTER
YOUNG, YOUNG_PINGS = 50.0, 5  # a new neighbour is pinged at once, until it has answered five times
STEP = 0.5  # IPv8's walker_interval: the churn pings eight peers at most in a step
WALK, TRIES = 3.0, 6  # seconds between two looks for neighbours, and the introductions of one
CYCLE = PING_AFTER + 2 * STEP  # seconds between two pings of a pair
NEW = 4 * YOUNG_PINGS - 2 * YOUNG / CYCLE  # datagrams of a new pair, more than those of an old one
SAMPLES = 96  # looks at the whole swarm in a run
HOUR, DAY = 3600.0, 86400.0


class Node:
    """One session of one user. ``rule``: errors do nothing (0), the first deafens (1), or the first
    that meets no waiting receive does (2)."""

    __slots__ = (
        "alive",
        "born",
        "deaf",
        "earns",
        "ends",
        "hears_since",
        "last_error",
        "policy",
        "rule",
        "slot",
        "table",
        "walks",
        "watched",
    )

    def __init__(self, slot: int, rule: int, watched: bool, born: float, ends: float) -> None:
        self.slot, self.rule, self.watched = slot, rule, watched
        self.born, self.ends = born, ends
        self.hears_since = born
        self.alive, self.deaf, self.earns, self.walks = True, False, False, False
        self.last_error = -math.inf
        self.table: dict[Node, float] = {}  # the neighbours, and since when
        self.policy: Policy | None = None


class Swarm:
    """One run. The same assumptions and seed give the same account, to the last digit.

    *sessions*, where given, is each slot's sessions: (seconds, earns errors); by default they are
    drawn from the measured distribution, the first ones as one finds them in a running swarm.
    """

    def __init__(
        self,
        assumed: Assumptions,
        seed: int,
        sessions: list[Iterator[tuple[float, bool]]] | None = None,
    ) -> None:
        self.assumed = assumed
        self.now = 0.0
        self.account = Account()
        self._rng = random.Random(f"swarm {seed}")
        self._random = self._rng.random
        self._given = sessions
        self._settings = assumed.settings
        self._limit = assumed.neighbours + (assumed.neighbours + 1) // 2
        self._end = assumed.hours * HOUR
        self._queue: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._number = 0
        self.slots: list[Node] = []
        self._populate()

    def run(self) -> Account:
        """All of it; returns the account."""
        queue, pop = self._queue, heapq.heappop
        every = self._end / SAMPLES
        for number in range(1, SAMPLES + 1):
            until = number * every
            while queue and queue[0][0] <= until:
                self.now, _, act, subject = pop(queue)
                act(subject)
            self.now = until
            self.account.sample(self.slots, until, every, self._settings, CYCLE)
        self.account.close(self.slots, self._end)
        return self.account

    # Sessions

    def _populate(self) -> None:
        assumed = self.assumed
        # Exact numbers of each kind, in random order: no chance where none is meant.
        windows = round(assumed.nodes * assumed.windows)
        watched = round(windows * assumed.plugin)
        old = round((windows - watched) * assumed.old)
        kinds = (
            [(0, True)] * watched + [(1, False)] * old + [(2, False)] * (windows - watched - old)
        )
        kinds += [(0, False)] * (assumed.nodes - windows)
        random.Random("kinds").shuffle(kinds)  # the same for every seed
        self._windows = []
        for slot, (rule, plugin) in enumerate(kinds):
            self._windows.append(plugin or rule > 0)
            seconds, earns = self.session(slot, True)
            self.slots.append(self._open(slot, rule, plugin, seconds, earns))
        for node in self.slots:
            self._look(node, WALK * self._random())

    def session(self, slot: int, first: bool) -> tuple[float, bool]:
        """Draw a session of a slot: its seconds, and whether its departure earns errors."""
        if self._given is not None:
            return next(self._given[slot])
        shape, scale = SESSIONS[self.assumed.session]
        if first:  # one that is met by chance is a long one, and some of it has passed
            drawn = self._rng.gammavariate(1 + 1 / shape, 1.0) ** (1 / shape) * self._random()
        else:
            drawn = (-math.log(1.0 - self._random())) ** (1 / shape)
        return drawn * scale * 60, self._random() < self.assumed.icmp

    def _open(self, slot: int, rule: int, watched: bool, seconds: float, earns: bool) -> Node:
        node = Node(slot, rule, watched, self.now, self.now + seconds)
        node.earns = earns
        self._at(node.ends, self._depart, node)
        self._live_on(node)
        return node

    def _live_on(self, node: Node) -> None:
        """Until it dies without an error."""
        if self._windows[node.slot] and self.assumed.silent:
            rate = self.assumed.silent / DAY
            self._at(self.now - math.log(1.0 - self._random()) / rate, self._die, node)

    def _depart(self, node: Node) -> None:
        if not node.alive:
            return
        self._gone(node)
        self._return(node, *self.session(node.slot, False))

    def _restart(self, node: Node) -> None:
        """A user loses patience: the same session goes on in a new process."""
        if node.alive and node.deaf:
            self.account.restarts += 1
            self._gone(node)
            self._return(node, node.ends - self.now, node.earns)

    def _return(self, node: Node, seconds: float, earns: bool) -> None:
        fresh = self._open(node.slot, node.rule, node.watched, seconds, earns)
        self.slots[node.slot] = fresh
        self._look(fresh, 0.0)

    def _gone(self, node: Node) -> None:
        node.alive = False
        self.account.ended(node, self.now)
        for other, since in node.table.items():
            if other.deaf or not other.alive:
                continue
            young = self.now - since < YOUNG
            self.account.to_departed += YOUNG_PINGS if young else PINGS
            if node.earns and other.rule:
                self._errors(other, young)
        self._at(self.now + DROP_AFTER - CYCLE / 2, self._forget, node)

    # Deafness

    def _errors(self, node: Node, young: bool) -> None:
        """What a node is in for that pings somebody who has gone, in its table for long or not."""
        random = self._random
        wait, pings = (PING_EVERY, YOUNG_PINGS) if young else (PING_AFTER, PINGS)
        first = self.now + wait * random()
        while random() * len(node.table) > 8:  # the churn looks at eight peers in a step
            first += STEP
        step = STEP * math.ceil(first / STEP)
        late = self.assumed.latency
        for ping in range(1 if node.rule == 1 else pings):
            self._at(step + ping * PING_EVERY + late * random(), self._error, node)

    def _error(self, node: Node) -> None:
        if not node.alive or node.deaf:
            return
        unmet = self.now - node.last_error <= self.assumed.rearm
        node.last_error = self.now
        if node.rule == 1 or unmet or self._random() < self.assumed.busy:
            self.account.deafened += 1
            self._deafen(node, None, self._patience())

    def _die(self, node: Node) -> None:
        """A death without an error."""
        if not node.alive or node.deaf:
            return
        self.account.silent += 1
        curable = self._random() < self.assumed.curable
        restart = self._patience()
        if not node.watched:
            self._deafen(node, None, restart)
            return
        if node.policy is None:
            node.policy = healing.policy(self._settings, self._rng, self.now)
        heard = node.hears_since
        if node.table:  # its last datagram: each neighbour sends one a cycle
            gap = -math.log(1.0 - self._random()) * CYCLE / len(node.table)
            heard = max(heard, self.now - gap)
        until = min(node.ends, self._end, restart)
        done = healing.heal(node.policy, heard, self.now, curable, until)
        self.account.healing(done, self.now, until)
        self._deafen(node, done.at, restart)

    def _patience(self) -> float:
        """When the user of a node that goes deaf now would restart it."""
        return self.now - math.log(1.0 - self._random()) * self.assumed.patience * HOUR

    def _deafen(self, node: Node, healed: float | None, restart: float) -> None:
        node.deaf = True
        self.account.deaf(node, self.now)
        hearing = sum([other.alive and not other.deaf for other in node.table])
        if healed is None:
            self._at(restart, self._restart, node)
        else:
            self._at(healed, self._healed, node)
            if healed < self.now + DROP_AFTER - CYCLE / 2:  # before anybody has missed it
                self.account.to_deaf += hearing * (healed - self.now) / CYCLE
                return
        # It pings in vain until it throws its peers out; until then they hear it, and answer. With
        # the plugin it pings nobody whom it cannot hear.
        own = 0.0 if node.watched else PING_AFTER + (PINGS - 1) * PING_EVERY
        self.account.to_deaf += hearing * PINGS * (1 if node.watched else 2)
        self.account.neighbours_lost += hearing
        self._at(self.now + own + DROP_AFTER - CYCLE / 2, self._forget, node)

    def _healed(self, node: Node) -> None:
        if node.alive:
            node.deaf = False
            node.hears_since = self.now
            self._live_on(node)
            self._look(node, 0.0)

    # Neighbours

    def _forget(self, node: Node) -> None:
        """Its neighbours drop a node that has gone, or is deaf."""
        for other in node.table:
            del other.table[node]
            self._look(other, STEP)
        node.table = {}

    def _look(self, node: Node, after: float) -> None:
        if not node.walks and node.alive:
            node.walks = True
            self._at(self.now + after, self._walk, node)

    def _walk(self, node: Node) -> None:
        node.walks = False
        if not node.alive or node.deaf:
            return
        target = self.assumed.neighbours
        for _ in range(TRIES):
            if len(node.table) >= target:
                return
            other = self._introduced(node)
            if other is None or other is node or other in node.table:
                continue
            if self._reaches(node, other) and len(other.table) <= self._limit:
                self._introduces(other, node)  # as its answer does
                self._connect(node, other)
        if len(node.table) < target:
            self._look(node, WALK)

    def _introduced(self, node: Node) -> Node | None:
        """Somebody whom a neighbour, or a bootstrap server, knows."""
        if not node.table or self._random() < self.assumed.bootstrap:
            return self._anybody()
        introducer = self._one_of(node.table)
        return self._introduces(introducer, node) if self._reaches(node, introducer) else None

    def _introduces(self, introducer: Node, node: Node) -> Node | None:
        """It answers, and asks a third, whom it believes to know, to open its NAT for the node."""
        self.account.walked += 1
        if not introducer.table:
            return None
        third = self._one_of(introducer.table)
        if third is not node and self._reaches(introducer, third):
            self.account.walked += 1  # as the third does
        return third

    def _reaches(self, node: Node, other: Node) -> bool:
        """Send one datagram of the walk; whether it is heard."""
        if not other.alive:
            self.account.to_departed += 1
            if other.earns and node.rule:
                self._at(self.now + self.assumed.latency * self._random(), self._error, node)
        elif other.deaf:
            self.account.to_deaf += 1
        else:
            self.account.walked += 1
            return True
        return False

    def _one_of(self, table: dict[Node, float]) -> Node:
        nodes = list(table)
        return nodes[int(self._random() * len(nodes))]

    def _anybody(self) -> Node:
        return self.slots[int(self._random() * len(self.slots))]

    def _connect(self, node: Node, other: Node) -> None:
        node.table[other] = other.table[node] = self.now
        self.account.pings += NEW

    def _at(self, time: float, act: Callable[[Any], None], subject: Node) -> None:
        if time <= self._end:
            self._number += 1
            heapq.heappush(self._queue, (time, self._number, act, subject))
