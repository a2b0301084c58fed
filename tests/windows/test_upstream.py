"""What this CPython's code is said to have is what the trials find, and no repair hides it."""

from __future__ import annotations

import json

from child import python

import tribler_udp_fix
from tribler_udp_fix._asyncio._upstream import has_fault
from tribler_udp_fix._faults import FAULTS

LOOK = """
import json, sys
from tribler_udp_fix._asyncio._upstream import has_fault
from tribler_udp_fix._faults import FAULTS
print(json.dumps([has_fault(fault) for fault in FAULTS] + ["asyncio" in sys.modules]))
"""
TRIALS = """
import json
from tribler_udp_fix._asyncio._upstream import has_fault
from tribler_udp_fix._trials import run_trials
found = run_trials()
print(json.dumps([(o.fault, has_fault(o.fault), o.verdict, o.observed) for o in found]))
"""


def test_the_look_at_the_code_sees_what_the_trials_see(tmp_path):
    rows = json.loads(python("-c", TRIALS, plugin=False, cwd=tmp_path))
    assert [fault for fault, *_ in rows] == list(FAULTS)
    for fault, has, verdict, observed in rows:
        assert (fault, has) == (fault, verdict == "suffers"), observed


def test_it_sees_through_the_repairs():
    stock = [has_fault(fault) for fault in FAULTS]
    assert None not in stock
    tribler_udp_fix.install()
    try:
        assert [has_fault(fault) for fault in FAULTS] == stock
    finally:
        tribler_udp_fix.uninstall()


def test_where_asyncio_is_not_imported_nothing_is_told_and_nothing_imported(tmp_path):
    found = json.loads(python("-c", LOOK, plugin=False, cwd=tmp_path))
    assert found == [None] * len(FAULTS) + [False]


def test_code_that_is_not_known_is_no_verdict(monkeypatch):
    from asyncio import proactor_events

    def read(self, fut=None, *, quickly):
        raise AssertionError("never called")

    transport = proactor_events._ProactorDatagramTransport  # type: ignore[attr-defined]
    monkeypatch.setattr(transport, "_loop_reading", read)
    assert [has_fault(fault) for fault in ("F1", "F2", "F3", "F4", "F8")] == [None] * 5
    assert has_fault("F10") is True
