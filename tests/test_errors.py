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


def test_the_budget_is_a_second_of_errors_for_nothing_and_then_its_rate():
    budget = ErrorBudget(10)
    assert [budget.delay(100.0) for _ in range(10)] == [0.0] * 10
    assert budget.delay(100.0) == pytest.approx(0.1)
    assert budget.delay(100.1) == pytest.approx(0.1)
    assert budget.delay(200.0) == 0.0


def test_a_storm_is_held_to_the_budget_and_never_stopped():
    budget, now, handled = ErrorBudget(1000), 0.0, 0
    while now < 10.0:
        now += budget.delay(now)
        handled += 1
    assert handled == pytest.approx(11_000, rel=0.01)


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
