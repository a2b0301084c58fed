"""When a peer is asked and when it is gone: a table without sockets or clocks."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import heartbeat
from tribler_udp_fix._peers._heartbeat_policy import (
    IDLE,
    IN_USE,
    JITTER,
    LAST,
    PAUSE,
    PINGS,
    POSTPONED,
    PROVED,
    SILENCE,
    TABLE,
    TRAFFIC_SILENCE,
    Action,
    Input,
    PeerPolicy,
    PeerState,
    When,
)

settings.register_profile("heartbeat", deadline=None, max_examples=200)
settings.load_profile("heartbeat")

RANDOM = st.floats(0, 1, exclude_max=True)
ANSWERED = "a ping answered"
STEPS = (*Input, ANSWERED)
# What happens, and after how many seconds; None is whenever the policy wants to be called.
HISTORY = st.lists(st.tuples(st.sampled_from(STEPS), st.none() | st.floats(0, 200)), max_size=60)
QUESTIONS = len(PINGS) + 1 + LAST


def live(subject, history):
    """Feed the history; yields, for each step, the time, what happened and what was asked for."""
    now = 0.0
    for event, wait in history:
        now = max(now, subject.deadline) if wait is None else now + wait
        if event == ANSWERED:
            answered(subject, now)
            yield now, Input.PROOF, Action.WAIT
        else:
            yield now, event, subject.feed(event, now)


def answered(subject, now):
    """It has answered a ping."""
    subject.answers = True
    subject.feed(Input.PROOF, now)


def silent(subject, now, event=Input.TIME):
    """Time alone, until it is gone: yields when each question was sent, and which."""
    for _ in range(100):
        if subject.state is PeerState.GONE:
            return
        now = max(now, subject.deadline)
        action = subject.feed(event, now)
        if action is not Action.WAIT:
            yield now, action
    raise AssertionError(f"it stays {subject.state}")


@given(RANDOM, HISTORY)
def test_nobody_is_gone_before_all_was_asked_since_it_was_heard_and_it_was_silent_for_long(
    random, history
):
    subject = PeerPolicy(lambda: random, 0.0)
    heard, asked = 0.0, 0
    for now, event, action in live(subject, [*history, *[(Input.TIME, None)] * 40]):
        before = asked
        if event in (Input.PROOF, Input.DOUBT) or (event is Input.HEARD and subject.heard == now):
            heard, asked = now, 0
        asked += action is not Action.WAIT
        if subject.state is PeerState.GONE and event is Input.TIME and action is Action.WAIT:
            assert before >= (QUESTIONS if subject.answers else len(PINGS) + 1)
            assert now >= heard + (SILENCE if subject.answers else TRAFFIC_SILENCE) - 1e-6
            break


@given(RANDOM, HISTORY)
def test_proof_makes_alive_from_every_state_and_nothing_else_brings_back_who_has_gone(
    random, history
):
    subject = PeerPolicy(lambda: random, 0.0)
    answered(subject, 0.0)
    state = subject.state
    for _, event, _ in live(subject, history):
        if event is Input.PROOF:
            assert subject.state is PeerState.ALIVE
        elif state is PeerState.GONE:
            assert subject.state is PeerState.GONE
        state = subject.state


@given(RANDOM, HISTORY, st.sampled_from(Input))
def test_what_would_ask_asks_and_nothing_else_does(random, history, event):
    subject = PeerPolicy(lambda: random, 0.0)
    now = max([0.0, *(now for now, _, _ in live(subject, history))])
    expected = subject.would_ask(event, now)
    assert (subject.feed(event, now) is not Action.WAIT) is expected


@given(RANDOM, HISTORY)
def test_only_time_makes_anybody_gone(random, history):
    subject = PeerPolicy(lambda: random, 0.0)
    before = subject.state
    for _, event, _ in live(subject, history):
        if subject.state is PeerState.GONE and before is not PeerState.GONE:
            assert event is Input.TIME
        before = subject.state


@given(RANDOM, HISTORY, st.booleans(), st.booleans())
def test_whoever_left_is_gone_within_a_minute_whatever_was_before(random, history, in_use, answers):
    subject = PeerPolicy(lambda: random, 0.0)
    now = max([0.0, *(now for now, _, _ in live(subject, history))])
    if in_use:
        subject.use(now)
    if answers:
        answered(subject, now)
    else:
        subject.feed(Input.PROOF, now)
    sent = list(silent(subject, now))
    assert all(at <= now + 59.0 for at, _ in sent)
    first, answering = sent[0][0] - now, subject.answers
    lowest, highest = ((IN_USE if in_use else IDLE) * share for share in (0.8, 1.2))
    rounding = 1e-6  # of a time that is long after the beginning
    assert first <= highest + rounding
    assert first >= lowest - rounding or not in_use
    assert len(sent) == (QUESTIONS if answering else len(PINGS) + 1)


@given(RANDOM, HISTORY)
def test_every_state_has_a_timer_and_questions_that_time_asks_are_a_second_apart(random, history):
    subject, asked = PeerPolicy(lambda: random, 0.0), []
    now = max([0.0, *(now for now, _, _ in live(subject, history))])
    for _ in range(60):
        before, now = now, max(now, subject.deadline)
        if subject.feed(Input.TIME, now) is not Action.WAIT:
            asked.append(now)
        assert math.isfinite(subject.deadline)
    assert now > before
    assert all(later - at >= PAUSE * 0.99 for at, later in zip(asked[1:], asked[2:]))


@given(RANDOM, HISTORY)
def test_where_nobody_is_heard_a_peer_is_asked_ever_again_and_not_judged(random, history):
    subject = PeerPolicy(lambda: random, 0.0)
    answered(subject, 0.0)
    now, asked = 0.0, 0
    for _ in range(100):
        now = max(now, subject.deadline)
        event = Input.ALONE if subject.is_decisive else Input.TIME
        asked += subject.feed(event, now) is not Action.WAIT
    assert (subject.state, asked) == (PeerState.SUSPECT, 100)
    assert now >= (100 - QUESTIONS) * IDLE * 0.8


def test_a_peer_in_use_is_asked_at_15_s_again_after_1_2_and_4_and_then_introduced():
    subject = PeerPolicy(lambda: 0.5, 0.0)
    subject.use(0.0)
    answered(subject, 0.0)
    sent = list(silent(subject, 0.0))
    assert [at for at, _ in sent[:5]] == [15.0, 16.0, 18.0, 22.0, 26.0]
    assert [action for _, action in sent[:5]] == [*[Action.PING] * 4, Action.INTRODUCE]
    assert [later - at for (at, _), (later, _) in zip(sent[4:], sent[5:])] == [PAUSE] * LAST
    assert {action for _, action in sent[5:]} == {Action.PING}


def test_who_never_answered_a_ping_is_introduced_again_and_again_also_once_it_has_gone():
    subject = PeerPolicy(lambda: 0.5, 0.0)
    actions = [action for _, action in silent(subject, 0.0)]
    assert actions == [Action.PING, *[Action.INTRODUCE] * 4]
    for _ in range(10):
        assert subject.feed(Input.TIME, subject.deadline) is Action.INTRODUCE
    subject.feed(Input.PROOF, subject.deadline)
    assert subject.state is PeerState.ALIVE


def test_who_never_answered_is_judged_by_its_traffic_alone():
    subject = PeerPolicy(lambda: 0.5, 0.0)
    list(silent(subject, 0.0))
    assert subject.feed(Input.HEARD, 70.0) is Action.WAIT
    assert subject.state is PeerState.ALIVE
    now = 70.0
    for _ in range(100):
        now += 10.0
        subject.feed(Input.HEARD, now)
        if now >= subject.deadline:
            subject.feed(Input.TIME, now)
        assert subject.state in (PeerState.ALIVE, PeerState.QUIET)


def test_traffic_without_proof_postpones_a_question_for_a_minute_at_most_and_proves_nothing():
    subject = PeerPolicy(lambda: 0.5, 0.0)
    answered(subject, 0.0)
    asked = []
    for second in range(1, 600):
        if second >= subject.deadline and subject.feed(Input.TIME, second) is not Action.WAIT:
            asked.append(second)
        subject.feed(Input.HEARD, float(second))
    assert asked[0] == 60
    # It cuts the questions short three times, and then no more.
    assert [later - at for at, later in zip(asked, asked[1:5])] == [25, 25, 25, 1]
    assert subject.state is PeerState.GONE


# How long after the last proof somebody who sends from the address of a peer that has left can keep
# it from being called gone: the first question, as many rounds of them as may be cut short at their
# very end, and one that is not.
ROUND = sum(PINGS) + LAST + PAUSE
FORGED = PROVED + POSTPONED * (ROUND + IDLE * (1 + JITTER)) + ROUND + SILENCE


@given(RANDOM, HISTORY, st.lists(st.floats(0, 40), min_size=1, max_size=30))
def test_who_sends_from_the_address_of_a_peer_that_left_keeps_it_from_being_gone_for_a_while_only(
    random, history, gaps
):
    subject = PeerPolicy(lambda: random, 0.0)
    now = max([0.0, *(now for now, _, _ in live(subject, history))])
    answered(subject, now)
    left, forged, number = now, now + gaps[0], 0
    while subject.state is not PeerState.GONE:
        now = max(now, min(forged, subject.deadline))
        if now == forged:
            subject.feed(Input.HEARD, now)
            number += 1
            forged += max(0.1, gaps[number % len(gaps)])
        else:
            subject.feed(Input.TIME, now)
        assert now <= left + FORGED
    assert now <= left + FORGED


@given(RANDOM, st.lists(st.tuples(st.floats(0, SILENCE * 0.99), st.integers(0, 30)), max_size=40))
def test_who_answers_nothing_but_sends_what_it_has_signed_stays_whatever_else_is_sent(
    random, messages
):
    subject = PeerPolicy(lambda: random, 0.0)
    answered(subject, 0.0)  # once
    now = 0.0
    for gap, forged in messages:
        signed = now + gap
        others = [now + gap * (each + 1) / (forged + 1) for each in range(forged)]
        while subject.deadline < signed or others:
            due = min([subject.deadline, *others])
            now = max(now, due)
            if others and due == others[0]:
                others.pop(0)
                subject.feed(Input.HEARD, now)
            else:
                subject.feed(Input.TIME, now)
            assert subject.state is not PeerState.GONE
        now = max(now, signed)
        subject.feed(Input.PROOF, now)
        assert subject.state is PeerState.ALIVE


def test_an_icmp_error_is_a_reason_to_ask_and_no_more_often_than_once_a_second():
    subject = PeerPolicy(lambda: 0.5, 0.0)
    answered(subject, 0.0)
    asked = [subject.feed(Input.ERROR, tenth / 10) is Action.PING for tenth in range(100)]
    assert sum(asked) == 10
    assert subject.state is PeerState.QUIET


def test_after_a_doubt_nobody_is_gone_before_it_was_silent_anew():
    subject = PeerPolicy(lambda: 0.5, 0.0)
    answered(subject, 0.0)
    now = 0.0
    while subject.asked < QUESTIONS:
        now = subject.deadline
        subject.feed(Input.TIME, now)
    assert subject.feed(Input.DOUBT, now) is Action.WAIT
    assert subject.state is PeerState.QUIET
    sent = list(silent(subject, now))
    assert len(sent) == QUESTIONS
    assert sent[-1][0] >= now + SILENCE


def test_no_row_of_the_table_hides_another():
    always: set[tuple[PeerState, Input]] = set()
    seen: Counter[tuple[PeerState, Input, When]] = Counter()
    for row in TABLE:
        for state in row.states:
            for event in row.inputs:
                assert (state, event) not in always
                seen[state, event, row.when] += 1
                if row.when is When.ALWAYS:
                    always.add((state, event))
    assert max(seen.values()) == 1


def test_of_30_peers_the_10_that_leave_are_gone_within_a_minute_and_no_other_ever_is():
    """A short run of ``python3 -m tests.heartbeat``, with its cost."""
    for loss in (0.05, 0.2):
        for in_use in (True, False):
            seen = heartbeat.hours(5, loss, in_use, seed=1)
            assert len(seen.took) == 50
            assert max(seen.took) <= heartbeat.LIMIT
            assert seen.false == 0
            assert seen.sent + seen.received < (150.0 if loss < 0.1 else 200.0)
