"""The model of a swarm against what can be worked out by hand: closed forms, and small cases."""

from __future__ import annotations

import dataclasses
import math
import random
import statistics
from typing import Any, Callable, Iterator

import pytest

from simulation import assumptions, defaults, healing
from simulation.account import Account, median_time
from simulation.assumptions import Assumptions
from simulation.swarm import HOUR, Node, Swarm
from tribler_udp_fix import Settings
from tribler_udp_fix._watchdog._policy import Input

QUIET = Assumptions(nodes=12, hours=1.0, neighbours=4, windows=1.0, old=1.0, icmp=0.0, silent=0.0)


def for_ever(assumed: Assumptions, seed: int = 1) -> Swarm:
    """A swarm whose nodes stay."""
    return Swarm(assumed, seed, [iter([(100 * HOUR, False)]) for _ in range(assumed.nodes)])


def at(swarm: Swarm, seconds: float, act: Callable[[Node], Any]) -> None:
    """Have the first node *act* then."""
    swarm._at(seconds, act, swarm.slots[0])


# Rates that are constant


SESSION, PATIENCE, ICMP, EXPOSED = 7200.0, 1800.0, 0.4, 0.2


@pytest.fixture(scope="module")
def constant() -> tuple[Account, float]:
    """A swarm in which nothing remembers how long it has lasted, and the rate of first errors."""
    assumed = Assumptions(
        nodes=1000,
        hours=40.0,
        windows=EXPOSED,
        old=1.0,
        icmp=ICMP,
        silent=0.0,
        patience=PATIENCE / HOUR,
        bootstrap=1.0,
        neighbours=5,
    )
    dice = random.Random(1)

    def sessions() -> Iterator[tuple[float, bool]]:
        while True:
            yield dice.expovariate(1 / SESSION), dice.random() < ICMP

    swarm = Swarm(assumed, 1, [sessions() for _ in range(assumed.nodes)])
    neighbours: list[int] = []

    def look(_: Node) -> None:
        neighbours.extend(len(n.table) for n in swarm.slots if n.rule and not n.deaf)

    for seconds in range(600, int(40 * HOUR), 600):
        at(swarm, seconds, look)
    # Each of its neighbours leaves once a session, and a share of them earns an error.
    return swarm.run(), statistics.fmean(neighbours) * ICMP / SESSION


def test_the_time_to_the_first_error_is_exponential_where_departures_come_at_a_constant_rate(
    constant: tuple[Account, float],
):
    account, rate = constant
    seen = account.exposed[1]
    deaf = sum(happened for _, happened in seen)
    assert deaf > 3000
    assert deaf / math.fsum(time for time, _ in seen) == pytest.approx(rate, rel=0.03)
    for share in (0.25, 0.5, 0.75):  # a young node has fewer neighbours
        assert quantile(seen, share) == pytest.approx(-math.log(1 - share) / rate, rel=0.15)


def quantile(observed: list[tuple[float, bool]], share: float) -> float:
    """By Kaplan and Meier, with floats."""
    left, at_risk = 1.0, len(observed)
    for time, happened in sorted(observed):
        if happened:
            left *= 1 - 1 / at_risk
            if left <= 1 - share:
                return time
        at_risk -= 1
    return math.inf


def test_the_share_deaf_is_that_of_a_process_with_two_states(constant: tuple[Account, float]):
    account, rate = constant
    # Deaf by an error; hearing again by a restart, or because another node has come.
    expected = rate / (rate + 1 / SESSION + 1 / PATIENCE)
    settled = [share / EXPOSED for hours, share in account.shares if hours > 5]
    assert statistics.fmean(settled) == pytest.approx(expected, rel=0.05)


def test_deaths_without_an_error_come_at_their_rate():
    assumed = dataclasses.replace(QUIET, nodes=400, hours=12.0, silent=4.0, plugin=1.0)
    account = for_ever(assumed).run()
    assert account.silent == pytest.approx(400 * 4.0 / 2, rel=0.1)


@pytest.mark.parametrize("name", "abc")
def test_sessions_have_the_medians_that_were_measured(name: str):
    swarm = Swarm(dataclasses.replace(QUIET, session=name), 1)
    drawn = statistics.median(swarm.session(0, False)[0] for _ in range(40_000))
    assert drawn / 60 == pytest.approx({"a": 16, "b": 7, "c": 22}[name], abs=0.8)


def test_the_first_sessions_are_those_that_are_met_in_a_running_swarm(monkeypatch):
    # What is left of a Weibull session, k = 1/2: P(longer than x) = (1 + y) exp(-y), y = √(x/λ).
    monkeypatch.setitem(assumptions.SESSIONS, "a", (0.5, 1.0))
    swarm = Swarm(QUIET, 1)
    left = [swarm.session(0, True)[0] / 60 for _ in range(40_000)]
    for x in (0.5, 2.8, 10.0):
        y = math.sqrt(x)
        longer = sum(one > x for one in left) / len(left)
        assert longer == pytest.approx((1 + y) * math.exp(-y), abs=0.01)


# Deafness


@pytest.mark.parametrize(("plugin", "seconds"), [(0.0, 90.75), (1.0, 43.25)])
def test_a_deaf_node_is_forgotten_when_the_churn_forgets_it(plugin: float, seconds: float):
    # Heard last 14.25 s before, in the mean: pinged by it 27.5, 37.5 and 47.5 s after that, and
    # then silent for 57.5 s.
    swarm = for_ever(dataclasses.replace(QUIET, plugin=plugin))
    seen: list[int] = []
    at(swarm, 600.0, lambda node: swarm._deafen(node, None, math.inf))
    for later in (seconds - 1, seconds + 1):
        at(swarm, 600.0 + later, lambda node: seen.append(len(node.table)))
    swarm.run()
    assert seen[0] > 0 == seen[1]


def account_of_a_death(**assumed: Any) -> Account:
    """One node with the plugin, alone, dies an hour before the end of the run; nothing heals it."""
    alone = dataclasses.replace(
        QUIET,
        **{
            "nodes": 2,
            "hours": 2.0,
            "plugin": 1.0,
            "curable": 0.0,
            "rebinds_per_hour": 0,
            **assumed,
        },
    )
    swarm = for_ever(alone)
    at(swarm, HOUR, swarm._die)
    swarm.run()
    return swarm.account


def test_a_healing_costs_no_more_probes_than_there_is_time_for(monkeypatch):
    monkeypatch.setattr(Swarm, "_patience", lambda swarm: swarm.now + 30.0)
    restarted = account_of_a_death()
    assert restarted.restarts == 1
    # 10 s of quiet at most, and a probe a second after that.
    assert 3 <= restarted.probes < 30
    monkeypatch.setattr(Swarm, "_patience", lambda swarm: math.inf)
    until_the_end = account_of_a_death()
    assert until_the_end.restarts == 0
    assert until_the_end.probes < account_of_a_death(hours=4.0).probes


def test_a_death_that_was_not_healed_counts_as_longer_than_its_time():
    account = Account()
    account.healing(healing.Healing(110.0, 3, 1, 0), 100.0, 1000.0)
    account.healing(healing.Healing(None, 30, 1, 0), 100.0, 1000.0)
    account.healing(healing.Healing(None, 30, 1, 0), 100.0, 1000.0)
    assert median_time(account._heal_times) is None


def test_the_time_that_a_node_was_watched_is_all_of_its_time(monkeypatch):
    monkeypatch.setattr(Swarm, "_patience", lambda swarm: math.inf)
    account = account_of_a_death()
    assert account._watched == pytest.approx(2 * 2.0 * HOUR)  # two nodes, also while one is deaf


def test_an_error_that_comes_while_no_receive_waits_deafens_a_newer_python():
    for apart, deaf in (0.001, True), (0.2, False):
        swarm = for_ever(dataclasses.replace(QUIET, old=0.0, busy=0.0, rearm=0.1))
        for seconds in (600.0, 600.0 + apart):
            at(swarm, seconds, swarm._error)
        swarm.run()
        assert (swarm.account.deafened == 1) is deaf


def test_what_is_wasted_is_a_part_of_what_is_sent():
    # Everybody leaves again and again, and what is sent in vain was sent.
    assumed = Assumptions(nodes=60, hours=1.0, session="b", neighbours=5, icmp=1.0, busy=1.0)
    swarm = Swarm(assumed, 1, [iter([(20.0, True)] * 200) for _ in range(60)])
    figures = swarm.run().figures()
    account = swarm.account
    assert account.to_departed > account.walked / 10
    sent = account.pings + account.walked + account.to_departed + account.to_deaf
    assert figures["wasted"] == (account.to_departed + account.to_deaf) / sent


def test_a_group_without_nodes_has_no_figures():
    everybody = for_ever(dataclasses.replace(QUIET, plugin=1.0)).run().figures()
    nobody = for_ever(QUIET).run().figures()
    assert "exposed_deaf" not in everybody
    assert "minutes_to_deafness_old" not in everybody
    assert "probes_a_day" not in nobody
    assert "minutes_to_deafness_newer" not in nobody
    assert nobody["minutes_to_deafness_old"] is None  # there are some, and none went deaf


def test_a_median_minds_those_who_left_before_it_happened():
    assert median_time([(1.0, True), (2.0, True), (3.0, True)]) == 2.0
    assert median_time([(1.0, False), (2.0, True), (3.0, True), (4.0, True)]) == 3.0
    assert median_time([(1.0, True), (2.0, False), (3.0, False)]) is None
    assert median_time([]) is None


@pytest.mark.parametrize("size", range(2, 60, 2))
def test_a_median_is_reached_where_exactly_half_are(size: int):
    observed = [(float(time), True) for time in range(1, size + 1)]
    assert median_time(observed) == size / 2


# The watchdog's own table, in simulated time


def heal(curable: bool, until: float = 10_000.0, **settings: Any) -> healing.Healing:
    chosen = dataclasses.replace(Settings(), jitter=0.0, **settings)
    watchdog = healing.policy(chosen, random.Random(1), 0.0)
    return healing.heal(watchdog, 100.0, 101.0, curable, until)


def test_a_death_is_healed_when_the_table_says():
    # 10 s of quiet, three probes of a second each: read again. One more, and it is rebound.
    assert heal(True) == (113.0, 4, 1, 0)
    assert heal(False) == (114.0 + healing.BIND, 5, 1, 1)
    assert heal(True, probe_misses=1).at == 111.0
    assert heal(False, rebinds_per_hour=0).at is None


def test_what_would_happen_after_the_end_does_not():
    assert heal(True, until=111.5) == (None, 2, 0, 0)
    assert heal(False, until=114.0 + healing.BIND / 2).at is None


def test_nothing_is_healed_before_it_dies():
    watchdog = healing.policy(dataclasses.replace(Settings(), jitter=0.0), random.Random(1), 0.0)
    # Quiet from 100 on, and probed at 110 and 120: it died after that, so those were answered.
    assert healing.heal(watchdog, 100.0, 125.0, True, 10_000.0) == (133.0, 4, 1, 0)


def test_the_time_deaf_is_what_is_left_of_the_quiet_and_the_probes_after_it():
    # The delay is uniform from 8 to 10 s, so what is left of it at the death is 4.5 s in the
    # median; three probes, one more after reading again, and the rebind.
    times, _ = defaults.deaths(Settings(), random.Random(1), 100 * defaults.DAY, 24.0)
    assert median_time(times) == pytest.approx(4.5 + 4.0 + healing.BIND, abs=0.25)


@pytest.mark.parametrize("datagrams", [0.0, 0.02, 0.1, 0.7])
def test_the_rate_of_probes_in_closed_form_is_what_the_watchdogs_table_does(datagrams: float):
    dice, settings, end = random.Random(1), Settings(), 1e6 if datagrams > 0.5 else 3e5
    watchdog = healing.policy(settings, dice, 0.0)
    probes, heard = 0, 0.0
    while heard < end:
        heard += dice.expovariate(datagrams) if datagrams else end
        while watchdog.deadline < min(heard, end):
            now = watchdog.deadline
            watchdog.feed(Input.TIME, now)
            watchdog.feed(Input.ANSWERED, now)
            probes += 1
        watchdog.feed(Input.TRAFFIC, heard)
    assert healing.probes_a_second(datagrams, settings) == pytest.approx(probes / end, rel=0.06)


def test_more_patience_with_probes_is_longer_deafness_and_fewer_false_alarms():
    swept = [dataclasses.replace(Settings(), probe_misses=misses) for misses in (1, 2, 3)]
    dice, day = random.Random(1), defaults.DAY
    times = [median_time(defaults.deaths(each, dice, 50 * day, 24.0)[0]) for each in swept]
    alarms = [defaults.false_alarms(each, dice, 2 * day)[1] for each in swept]
    assert times == sorted(times, key=lambda time: time or 0.0)
    assert alarms == sorted(alarms, reverse=True)
    assert alarms[0] > 10
