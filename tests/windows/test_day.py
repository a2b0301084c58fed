"""A day of a watched endpoint, run in seconds: on 3.10 the whole of it, two hours on the others."""

from __future__ import annotations

import sys

import pytest
from day import main
from watched import PREFIX

from tribler_udp_fix import Settings

pytestmark = pytest.mark.skipif(
    sys.version_info[:2] not in ((3, 10), (3, 12), (3, 13)), reason="measured on 3.10, 3.12, 3.13"
)

HOURS = 24.0 if sys.version_info[:2] == (3, 10) else 2.0
SECONDS = HOURS * 3600


def test_a_day_of_traffic_costs_no_probe_and_no_rebind(repaired):
    day = main("busy", HOURS)
    assert day["said"] > SECONDS / 5 - 10
    assert day["heard"] == day["said"] * len(PREFIX + b"message")
    assert day["probes"]["sent"] == day["rearms"] == day["rebinds"] == 0
    assert day["history"] == []


def test_a_day_of_silence_costs_probes_and_nothing_else(repaired):
    day, settings = main("idle", HOURS), Settings()
    fewest = SECONDS / settings.probe_after
    # Each is a turn of the loop later than its timer, and the last may be still on its way.
    assert 0.99 * fewest < day["probes"]["sent"] < fewest / (1 - settings.jitter)
    assert day["probes"]["sent"] - day["probes"]["answered"] <= 1
    assert day["probes"]["missed"] == day["rearms"] == day["rebinds"] == 0
    (told,) = day["history"]  # once, and what it is: quiet
    assert "hears itself, but no peer for 10 minutes" in told
