"""The watchdog's decisions: a table without sockets or clocks, tried with whatever can happen."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import policy_diagram
from tribler_udp_fix._watchdog._policy import (
    HOUR,
    REBIND_TIMEOUT,
    TABLE,
    Action,
    Input,
    Limits,
    Policy,
    State,
    When,
)

# A machine that is busy with Windows Pythons stalls for longer than hypothesis expects.
settings.register_profile("watchdog", deadline=None, max_examples=300)
settings.load_profile("watchdog")

LIMITS = st.builds(
    Limits,
    probe_after=st.floats(0.1, 60),
    probe_timeout=st.floats(0.05, 5),
    probe_misses=st.integers(1, 5),
    jitter=st.floats(0, 1),
    rebinds_per_hour=st.integers(0, 5),
    retry_cap=st.floats(1, 120),
    rebinds=st.booleans(),
)
RANDOM = st.floats(0, 1, exclude_max=True)
# What happens, and after how many seconds; None is whenever the policy wants to be called.
HISTORY = st.lists(st.tuples(st.sampled_from(Input), st.none() | st.floats(0, 2000)), max_size=60)

# What can happen to an endpoint that hears, and is neither too old nor asked to rebind.
HARMLESS = (
    Input.TRAFFIC,
    Input.ANSWERED,
    Input.LATE,
    Input.UNSENT,
    Input.DISARMED,
    Input.JUMPED,
    Input.MOVED,
    Input.TIME,
    Input.CLOSED,
)


def policy(limits, random):
    return Policy(limits, lambda: random, 0.0)


def live(subject, history):
    """Feed the history; yields, for each step, the time and what was asked for."""
    now = 0.0
    for event, wait in history:
        now = max(now, subject.deadline) if wait is None else now + wait
        yield now, event, subject.feed(event, now)


def after(subject, history):
    """The time at the end of the history."""
    return max([0.0, *(now for now, _, _ in live(subject, history))])


def heal(subject, now, hears=lambda: True):
    """The driver, over a socket that can hear: how many steps and seconds until it is healthy."""
    start = now
    for steps in range(100):
        if subject.state is State.HEALTHY:
            return steps, now - start
        if subject.state is State.REBINDING and not subject.bound:
            event = Input.REBOUND
        elif subject.state in (State.BACKING_OFF, State.UNKNOWN):
            event, now = Input.TIME, max(now, subject.deadline)
        elif hears():
            event = Input.ANSWERED
        else:
            event, now = Input.MISSED, max(now, subject.deadline)
        subject.feed(event, now)
    raise AssertionError(f"it stays in {subject.state}")


@given(LIMITS, RANDOM, HISTORY)
def test_from_every_state_an_endpoint_that_hears_is_healthy_in_a_few_steps(limits, random, history):
    subject = policy(limits, random)
    now = after(subject, history)
    steps, _ = heal(subject, now)
    assert steps <= 4


@given(LIMITS, RANDOM, HISTORY)
def test_a_socket_that_only_a_rebind_mends_is_mended_as_soon_as_the_budget_allows(
    limits, random, history
):
    limits = limits._replace(rebinds=True, rebinds_per_hour=1000)
    subject = policy(limits, random)
    now = after(subject, history)
    rebound = []
    feed = subject.feed

    def noting(event, now):
        if event is Input.REBOUND:
            rebound.append(now)
        return feed(event, now)

    subject.feed = noting
    if subject.state is State.HEALTHY:
        subject.feed(Input.TIME, now := max(now, subject.deadline))
    # Where no probe could be sent the next is as far away as any.
    unknown = max(0.0, subject.deadline - now) if subject.state is State.UNKNOWN else 0.0
    _, seconds = heal(subject, now, hears=lambda: bool(rebound))
    assert seconds <= (
        unknown
        + limits.retry_cap
        + (limits.probe_misses + 3) * limits.probe_timeout
        + REBIND_TIMEOUT
    )


@given(LIMITS, RANDOM, st.lists(st.tuples(st.sampled_from(HARMLESS), st.none() | st.floats(0, 99))))
def test_an_endpoint_that_hears_is_never_rebound(limits, random, history):
    subject = policy(limits, random)
    for _, _, action in live(subject, history):
        assert action is not Action.REBIND
    assert subject.bound


@given(LIMITS, RANDOM, HISTORY)
def test_no_more_sockets_are_closed_in_any_hour_than_the_budget_has(limits, random, history):
    subject = policy(limits, random)
    closed: dict[bool, list[float]] = {False: [], True: []}
    bound = True
    for now, event, action in live(subject, history * 3):
        if action is Action.REBIND and bound:
            closed[event is Input.ASKED].append(now)
        bound = subject.bound
    for times in closed.values():  # what is asked for has its own budget
        for start in times:
            assert sum(start <= at < start + HOUR for at in times) <= limits.rebinds_per_hour


@given(LIMITS, RANDOM, HISTORY, st.integers(1, 50))
def test_what_is_asked_for_takes_nothing_from_the_watchdogs_budget(limits, random, history, clicks):
    subject = policy(limits, random)
    now = after(subject, history)
    _, seconds = heal(subject, now)
    now += seconds
    own, rebound = subject.may_rebind(now), 0
    for _ in range(clicks):
        if subject.feed(Input.ASKED, now) is Action.REBIND:
            rebound += 1
            subject.feed(Input.REBOUND, now)
            subject.feed(Input.ANSWERED, now)
        assert subject.state is State.HEALTHY
    assert rebound <= limits.rebinds_per_hour
    assert subject.may_rebind(now) is own


@given(LIMITS, RANDOM, st.integers(1, 10))
def test_an_endpoint_whose_sends_all_fail_gets_another_socket_within_the_budget(
    limits, random, times
):
    subject, rebound = policy(limits, random), 0
    for _ in range(times):
        if subject.feed(Input.MUTE, 0.0) is Action.REBIND:
            rebound += 1
            subject.feed(Input.REBOUND, 0.0)
            subject.feed(Input.ANSWERED, 0.0)
        assert subject.state is State.HEALTHY
    assert rebound == (min(times, limits.rebinds_per_hour) if limits.rebinds else 0)


def test_an_endpoint_that_dies_after_twenty_clicks_is_rebound_as_ever():
    subject, now = policy(Limits(10.0, 1.0, 3, 0.0, 20, 60.0), 0.0), 0.0
    for click in range(25):
        now = 10.0 * click
        asked = subject.feed(Input.ASKED, now)
        assert asked is (Action.REBIND if click < 20 else Action.WAIT)
        subject.feed(Input.REBOUND, now)
        subject.feed(Input.ANSWERED, now)
    assert subject.feed(Input.LOST, now) is Action.REBIND


@given(LIMITS, RANDOM)
def test_a_port_that_stays_taken_is_tried_at_once_and_then_ever_more_rarely_without_end(
    limits, random
):
    limits = limits._replace(rebinds=True, rebinds_per_hour=1, jitter=0.5)
    subject, tries = policy(limits, random), []
    assert subject.feed(Input.LOST, 0.0) is Action.REBIND
    now = 0.0
    for _ in range(200):
        subject.feed(Input.FAILED, now)
        now = max(now, subject.deadline)
        assert subject.feed(Input.TIME, now) is Action.REBIND
        tries.append(now)
    assert tries[0] == 0.0
    pauses = [later - earlier for earlier, later in zip(tries, tries[1:])]
    assert max(pauses) <= limits.retry_cap * 1.001
    assert min(pauses[10:]) >= limits.retry_cap * 0.499


@given(LIMITS, RANDOM, HISTORY)
def test_every_state_has_a_timer_and_time_alone_never_stands_still(limits, random, history):
    subject, now = policy(limits, random), 0.0
    longest = max(limits.probe_after, limits.probe_timeout, limits.retry_cap, REBIND_TIMEOUT)
    for now, _, _ in live(subject, history):
        assert math.isfinite(subject.deadline)
        assert now <= subject.deadline <= now + longest
    for _ in range(50):
        before, now = now, subject.deadline
        # A driver that does not even probe: the least that there is.
        subject.feed(Input.TIME, now)
        assert subject.deadline <= now + longest
    assert now > before or subject.deadline > now


@given(LIMITS, RANDOM, HISTORY)
def test_where_rebinding_is_not_wanted_it_never_happens_and_probing_goes_on(
    limits, random, history
):
    subject = policy(limits._replace(rebinds=False), random)
    for _, _, action in live(subject, history):
        assert action is not Action.REBIND
    probes = 0
    now = subject.deadline
    for _ in range(20):
        now = max(now, subject.deadline)
        event = Input.MISSED if subject.state not in (State.HEALTHY, State.UNKNOWN) else Input.TIME
        if subject.state is State.BACKING_OFF:
            event = Input.TIME
        probes += subject.feed(event, now) in (Action.PROBE, Action.REARM)
    assert probes >= 5


def test_with_the_defaults_a_silent_death_is_rebound_within_fifteen_seconds():
    limits = Limits(10.0, 1.0, 3, 0.0, 20, 60.0)
    subject, now = policy(limits, 0.0), 0.0
    actions: list[Action] = []
    while not actions or actions[-1] is not Action.REBIND:
        now = subject.deadline
        event = Input.TIME if subject.state is State.HEALTHY else Input.MISSED
        actions.append(subject.feed(event, now))
    assert actions == [Action.PROBE] * 3 + [Action.REARM, Action.REBIND]
    assert now == 14.0


def test_after_a_clock_jump_one_missed_probe_is_enough_to_act():
    subject = policy(Limits(10.0, 1.0, 3, 0.0, 20, 60.0), 0.0)
    assert subject.feed(Input.JUMPED, 100.0) is Action.PROBE
    assert subject.feed(Input.MISSED, 101.0) is Action.REARM
    assert subject.feed(Input.MISSED, 102.0) is Action.REBIND


def test_a_probe_that_is_missed_on_a_late_loop_proves_nothing():
    subject = policy(Limits(10.0, 1.0, 1, 0.0, 20, 60.0), 0.0)
    for second in range(100):
        subject.feed(Input.TIME, float(2 * second))
        subject.feed(Input.LATE, 2.0 * second + 1)
        assert subject.state is State.UNKNOWN


def test_a_probe_that_cannot_be_sent_proves_nothing_and_is_tried_again_when_the_next_is_due():
    subject, now = policy(Limits(10.0, 1.0, 1, 0.0, 20, 60.0), 0.0), 0.0
    for _ in range(100):
        now = subject.deadline
        assert subject.feed(Input.TIME, now) is Action.PROBE
        assert subject.feed(Input.UNSENT, now + 1) is Action.WAIT
        assert (subject.state, subject.deadline) == (State.UNKNOWN, now + 11)


def test_a_new_socket_that_cannot_be_probed_is_not_replaced():
    subject, now = policy(Limits(10.0, 1.0, 3, 0.0, 20, 60.0), 0.0), 1.0
    subject.feed(Input.ASKED, now)
    assert subject.feed(Input.REBOUND, now) is Action.PROBE
    for _ in range(20):
        event = Input.TIME if subject.state in (State.BACKING_OFF, State.UNKNOWN) else Input.UNSENT
        now = max(now, subject.deadline)
        assert subject.feed(event, now) is not Action.REBIND
    assert subject.state in (State.QUIET, State.UNKNOWN)


def test_what_is_heard_during_a_rebind_proves_nothing_of_the_new_socket():
    subject = policy(Limits(10.0, 1.0, 3, 0.0, 20, 60.0), 0.0)
    subject.feed(Input.ASKED, 1.0)
    subject.feed(Input.TRAFFIC, 1.1)
    subject.feed(Input.ANSWERED, 1.1)
    assert subject.state is State.REBINDING
    assert subject.feed(Input.REBOUND, 1.2) is Action.PROBE
    subject.feed(Input.TRAFFIC, 1.3)
    assert subject.state.value == "healthy"


def test_an_endpoint_that_kept_its_socket_is_healthy_as_soon_as_it_hears():
    subject = policy(Limits(10.0, 1.0, 3, 0.0, 20, 60.0), 0.0)
    assert subject.feed(Input.ASKED, 1.0) is Action.REBIND
    subject.feed(Input.FOUND, 1.1)
    assert (subject.state, subject.bound) == (State.BACKING_OFF, True)
    assert subject.feed(Input.TIME, subject.deadline) is Action.REARM
    subject.feed(Input.TRAFFIC, 1.2)
    assert subject.state is State.HEALTHY


def test_an_endpoint_that_its_owner_closed_and_opened_again_is_probed_not_rebound():
    subject = policy(Limits(10.0, 1.0, 3, 0.0, 20, 60.0), 0.0)
    subject.feed(Input.LOST, 1.0)
    subject.feed(Input.CLOSED, 1.1)
    assert (subject.state, subject.bound) == (State.UNKNOWN, True)
    assert subject.feed(Input.TIME, subject.deadline) is Action.PROBE
    subject.feed(Input.ANSWERED, subject.deadline)
    assert subject.state is State.HEALTHY


def test_no_row_of_the_table_hides_another():
    always: set[tuple[State, Input]] = set()
    seen: Counter[tuple[State, Input, When]] = Counter()
    for row in TABLE:
        for state in row.states:
            for event in row.inputs:
                assert (state, event) not in always
                seen[state, event, row.when] += 1
                if row.when is When.ALWAYS:
                    always.add((state, event))
    assert max(seen.values()) == 1


def test_the_docs_show_the_table_as_it_is():
    for page in policy_diagram.POLICIES:
        text = page.read_text(encoding="utf-8")
        assert policy_diagram.renewed(page) == text, "run python3 -m tests.policy_diagram"
