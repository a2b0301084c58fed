"""The tables: what an error number means, which Python has which fault, what the budget allows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tribler_udp_fix._asyncio._budget import ErrorBudget
from tribler_udp_fix._asyncio._counters import Counters
from tribler_udp_fix._asyncio._errors import (
    WINSOCK_NUMBER,
    ErrorClass,
    classify,
    normalise,
    number_of,
)


class WindowsError_(OSError):
    """An OSError with a winerror, as on Windows."""

    def __init__(self, winerror):
        super().__init__(0, "message")
        self.winerror = winerror


@pytest.mark.parametrize(("win32", "winsock"), WINSOCK_NUMBER.items())
def test_both_numbers_of_one_cause_are_one(win32, winsock):
    assert number_of(WindowsError_(win32)) == number_of(WindowsError_(winsock)) == winsock
    assert classify(WindowsError_(win32)) is classify(WindowsError_(winsock))
    assert classify(WindowsError_(win32)) is not ErrorClass.UNKNOWN


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1234, 10054, 10052, 1231, 10051, 1232, 10065, 1233], ErrorClass.TRANSIENT),
        ([1225, 10061, 1236, 10053, 1235, 234, 10040, 121, 10060], ErrorClass.TRANSIENT),
        ([10050, 10055, 64], ErrorClass.TRANSIENT),
        ([995], ErrorClass.OURS),
        ([10022], ErrorClass.UNBOUND),
        ([10038, 10009, 10058, 6], ErrorClass.DEAD),
        ([5, 10013, 10042, 0, 99999], ErrorClass.UNKNOWN),
    ],
)
def test_each_number_is_in_its_class(numbers, expected):
    assert {classify(WindowsError_(number)) for number in numbers} == {expected}


def test_an_error_without_a_number_is_itself():
    exc = ConnectionAbortedError()
    assert normalise(exc) is exc
    assert classify(exc) is ErrorClass.UNKNOWN


def test_an_error_that_has_its_winsock_number_is_itself():
    exc = WindowsError_(10054)
    assert normalise(exc) is exc


def test_errors_within_the_budget_and_their_share_of_work_need_no_pause() -> None:
    budget = ErrorBudget(100)
    assert not any(budget.is_spent(0.0) for _ in range(100))
    assert budget.is_spent(0.0)
    assert budget.pause(0.1, 0.0) == 0.0  # a quarter of a second of work is free
    assert not budget.is_spent(1.0)  # and the budget is there again


def test_errors_without_an_end_pause_ever_longer_but_never_long() -> None:
    budget = ErrorBudget(1)
    now, worked = 0.0, 0.0
    pauses: list[float] = []
    while now < 20.0:
        assert budget.is_spent(now) or not pauses
        now += 0.005
        worked += 0.005
        pause = budget.pause(0.005, now)
        pauses.append(pause)
        now += pause
    assert max(pauses) <= 0.1
    assert pauses[-1] > next(filter(None, pauses))
    assert worked / now < 0.1  # of a core


def test_errors_that_had_an_end_begin_anew() -> None:
    budget = ErrorBudget(1)
    for now in range(100):
        budget.is_spent(now / 1000)
        budget.pause(0.05, now / 1000)
    budget.is_spent(10.0)
    before = budget.pause(0.3, 10.0)
    budget.end()
    assert budget.pause(0.3, 10.0) <= before


def test_counters_tell_errors_by_winsock_number_and_drops_by_reason():
    counters = Counters()
    assert counters.error("receive", WindowsError_(1234))
    assert not counters.error("receive", WindowsError_(10054))
    counters.dropped("truncated")
    counters.dropped("queued at abort", 3)
    counters.dropped("queued at abort", 0)
    counters.add("receives_rearmed")
    assert counters.as_dict() == {
        "receive_errors": {"10054": 2},
        "send_errors": {},
        "receives_rearmed": 1,
        "datagrams_dropped": 4,
        "dropped_by_reason": {"truncated": 1, "queued at abort": 3},
    }


def test_the_api_tells_every_reason_to_drop_a_datagram():
    root = Path(__file__).parent.parent
    code = "".join(path.read_text("utf-8") for path in (root / "tribler_udp_fix").rglob("*.py"))
    reasons = set(re.findall(r'(?:COUNTERS\.dropped|self\.lose)\(\s*"([^"]+)"', code))
    told = " ".join((root / "docs" / "api.md").read_text("utf-8").split())
    assert len(reasons) > 6
    missing = [reason for reason in reasons if reason.split(", and ")[0] not in told]
    assert missing == []
