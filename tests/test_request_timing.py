"""When a request is sent again: every schedule, estimate and budget, with time passed in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tribler_udp_fix._requests._answers import Answers
from tribler_udp_fix._requests._timing import (
    BURST,
    HEAD_START,
    MAX_WAIT,
    MIN_WAIT,
    RESENDS,
    Budget,
    RoundTrip,
    Schedule,
    StoppableClock,
)

unhurried = settings(deadline=None, max_examples=60)
seconds = st.floats(0, 30)
chances = st.floats(0, 1)


def resends(schedule: Schedule) -> list[float]:
    found = []
    while (at := schedule.resend_at) is not None:
        assert not schedule.is_due(at - 1e-3)
        assert schedule.is_due(at)
        found.append(at)
    return found


def test_times_that_were_missed_are_one_resend():
    schedule = Schedule(0, 10, 1, 0)
    assert schedule.is_due(4)
    assert schedule.resend_at == 7
    assert Schedule(0, 10, 1, 0, resends=0).resend_at is None


def test_a_peer_that_nobody_knows_is_asked_again_after_one_three_and_seven_seconds():
    assert resends(Schedule(100, 10, RoundTrip().wait, 0)) == [101, 103, 107]
    assert resends(Schedule(100, 60, RoundTrip().wait, 1)) == [101.5, 104.5, 110.5]
    assert resends(Schedule(100, 3, RoundTrip().wait, 0)) == [101]


@unhurried
@given(now=seconds, timeout=st.floats(0.1, 60), wait=st.floats(MIN_WAIT, MAX_WAIT), chance=chances)
def test_resends_come_ever_more_slowly_within_the_time_out(now, timeout, wait, chance):
    schedule = Schedule(now, timeout, wait, chance)
    times = resends(schedule)
    assert len(times) <= RESENDS
    assert all(at + MIN_WAIT <= schedule.deadline for at in times)
    for at, factor in zip(times, (1, 3, 7)):
        assert now + factor * wait - 1e-6 <= at <= now + factor * wait * 1.5 + 1e-6
    gaps = [later - earlier for earlier, later in zip([now, *times], times)]
    assert gaps == sorted(gaps)


@unhurried
@given(st.lists(seconds, min_size=1))
def test_the_wait_is_no_shorter_than_any_steady_answer_takes(samples):
    trip = RoundTrip()
    for sample in samples:
        trip.measure(sample)
    assert trip.wait >= MIN_WAIT
    for _ in range(200):
        trip.measure(samples[-1])
    assert trip.wait == pytest.approx(max(MIN_WAIT, samples[-1]), abs=0.01)


def test_the_first_answer_is_all_that_is_known_as_in_rfc_6298():
    trip = RoundTrip()
    trip.measure(0.2)
    assert trip.wait == pytest.approx(0.2 + 4 * 0.1)
    trip.measure(0.4)
    assert trip.wait == pytest.approx((0.2 + 0.2 / 8) + 4 * (0.1 + (0.2 - 0.1) / 4))


@unhurried
@given(sample=seconds, times=st.integers(1, 50))
def test_a_peer_that_became_slower_is_given_time_until_it_is_measured_again(sample, times):
    trip = RoundTrip()
    trip.back_off()
    assert trip.wait == 1  # nothing is known of it yet
    trip.measure(sample)
    before = trip.wait
    for _ in range(times):
        last = trip.wait
        trip.back_off()
        assert last <= trip.wait <= max(before, MAX_WAIT)
    assert trip.wait == pytest.approx(max(before, min(before * 2**times, MAX_WAIT)))
    trip.measure(sample)
    assert trip.wait <= before


@unhurried
@given(st.lists(st.booleans(), max_size=500))
def test_resends_are_at_most_a_tenth_of_first_sends_and_what_was_saved(events):
    budget = Budget()
    first = again = 0
    for is_first in events:
        if is_first:
            budget.earn()
            first += 1
        else:
            again += budget.spend()
        assert again <= HEAD_START + first / 10


def test_a_tenth_is_really_had_and_no_more_is_saved_than_the_burst():
    budget = Budget()
    assert sum(budget.spend() for _ in range(2 * BURST)) == HEAD_START
    for _ in range(20 * BURST):
        budget.earn()
    assert sum(budget.spend() for _ in range(2 * BURST)) == BURST
    for _ in range(10):
        assert not budget.spend()
        budget.earn()
    assert budget.spend()


@unhurried
@given(st.lists(st.tuples(seconds, st.booleans())))
def test_a_clock_that_stands_still_never_goes_back_and_loses_only_that(steps):
    clock = StoppableClock()
    now = last = clock.read(0, stands=False)
    stood = 0.0
    stands = False
    for step, next_stands in steps:
        now += step
        stood += step if stands else 0
        stands = next_stands
        shown = clock.read(now, stands)
        assert shown >= last - 1e-6
        assert shown == pytest.approx(now - stood, abs=1e-6)
        last = shown


@unhurried
@given(st.lists(st.tuples(st.floats(0, 40), st.integers(0, 5), st.booleans()), max_size=60))
def test_an_answer_is_known_for_its_time_and_of_many_the_last(steps):
    answers, asker = Answers(ttl=60, size=3), "who asks"
    given_at: dict[int, float] = {}
    begun: dict[
        int, int
    ] = {}  # which step was the last to begin it; one that failed took room, too
    now = 0.0
    for number, (step, request, fails) in enumerate(steps):
        now += step
        answer = answers.find((asker, request), now)
        if answer is not None:
            assert answer.packet == b"%d" % request
            assert now - given_at[request] < 60
            continue
        others = sum(other > begun.get(request, -1) for other in begun.values())
        assert request not in given_at or now - given_at[request] >= 60 or others >= 3
        begun[request] = number
        answer = answers.begin((asker, request))
        assert answers.find((asker, request), now) is answer  # it is being handled
        if fails:
            answers.forget((asker, request), answer)
            given_at.pop(request, None)
            assert answers.find((asker, request), now) is None
        else:
            answers.end((asker, request), answer, b"%d" % request, now)
            given_at[request] = now
        assert len(answers) <= 3


@unhurried
@given(st.lists(st.sampled_from("abcdm"), max_size=200))
def test_who_asks_much_makes_nobody_be_forgotten_who_has_no_more_than_its_share(asked):
    answers = Answers(ttl=60, size=20)
    last: dict[str, list[int]] = {}
    for number, asker in enumerate(asked + ["m"] * 50):  # one of the five floods it
        request = asker, number
        answers.end(request, answers.begin(request), b"", 0.0)
        last.setdefault(asker, []).append(number)
        assert len(answers) <= 20
        for other, numbers in last.items():  # the last four of each of the five, at least
            assert all(answers.find((other, each), 1.0) for each in numbers[-4:])
    known = [answers.find((asker, number), 1.0) for asker in last for number in last[asker]]
    assert len([each for each in known if each]) == 20
    assert answers.find(("m", 0), 61.0) is None
    assert len(answers) == 0
    assert answers._of == {}


@pytest.mark.parametrize("size", [1, 3])
def test_of_more_askers_than_there_is_room_for_the_last_are_remembered(size):
    answers = Answers(ttl=60, size=size)
    asked = [(f"asker {number}", "?") for number in range(10)]
    for number, request in enumerate(asked):
        answer = answers.begin(request)
        assert answers.find(request, number) is answer  # while it is handled
        answers.end(request, answer, b"", number)
        known = [each for each in asked if answers.find(each, number)]
        assert known == asked[: number + 1][-size:]
    more = asked[-1][0], "and this?"  # the greediest loses its own
    answers.end(more, answers.begin(more), b"", 10)
    known = [each for each in [*asked, more] if answers.find(each, 10)]
    assert known == [*asked[-size:-1], more]
