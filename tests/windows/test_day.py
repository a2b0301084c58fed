"""A day of a watched endpoint, run in seconds."""

from __future__ import annotations

import sys

import pytest
from day import DAY, main
from watched import PREFIX

from tribler_udp_fix import Settings

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] not in ((3, 10), (3, 12), (3, 13)), reason="measured on 3.10, 3.12, 3.13"
)


def test_a_day_of_traffic_costs_no_probe_and_no_rebind(repaired):
    day = main("busy")
    assert day["said"] > DAY / 5 - 10
    assert day["heard"] == day["said"] * len(PREFIX + b"message")
    assert day["probes"]["sent"] == day["rearms"] == day["rebinds"] == 0
    assert day["history"] == []


def test_a_day_of_silence_costs_probes_and_nothing_else(repaired):
    day, settings = main("idle"), Settings()
    fewest = DAY / settings.probe_after
    # Each is a turn of the loop later than its timer, and the last may be still on its way.
    assert 0.99 * fewest < day["probes"]["sent"] < fewest / (1 - settings.jitter)
    assert day["probes"]["sent"] - day["probes"]["answered"] <= 1
    assert day["probes"]["missed"] == day["rearms"] == day["rebinds"] == 0
    assert day["history"] == []
