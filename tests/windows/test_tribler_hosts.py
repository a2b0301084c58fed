"""Tribler 7.13 and 8, as far as the plugin relies on them: what it adds by the variable alone."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from child import python
from udp import needs_pyipv8, only_on

pytestmark = [needs_pyipv8, only_on("3.10", "3.12")]

PROGRAM = os.path.join(os.path.dirname(__file__), "stand_in", "run_tribler.py")
# Each on a Python that it is for.
VERSIONS = [pytest.param("7", marks=only_on("3.10")), pytest.param("8", marks=only_on("3.12"))]
QUICK = {
    "TRIBLER_UDP_FIX_PROBE_AFTER": "0.6",
    "TRIBLER_UDP_FIX_PROBE_TIMEOUT": "0.3",
    "TRIBLER_UDP_FIX_TICK": "0.05",
    "TRIBLER_UDP_FIX_REBINDS_PER_HOUR": "1",
}


def seen(version, *words, plugin=True):
    variables: dict[str, Any] = QUICK if plugin or words else {}
    return json.loads(python(*words, PROGRAM, version, plugin=plugin, **variables))


@pytest.fixture(scope="module", params=VERSIONS)
def with_plugin(request):
    return request.param, seen(request.param)


@pytest.fixture(scope="module", params=VERSIONS)
def without_plugin(request):
    return request.param, seen(request.param, plugin=False)


def test_by_the_variable_alone_health_is_there_behind_the_key_and_documented(with_plugin):
    version, told = with_plugin
    assert (told["/health"], told["/ui"]) == (200, 200)
    assert (told["/health without a key"], told["/ui without a key"]) == (401, 401)
    path = {"7": "/udp-fix", "8": "/api/udp-fix"}[version]
    assert told["documented"] == [f"{path}/{name}" for name in ("health", "probe", "rebind", "ui")]
    assert "UdpFixComponent" in told["components"]
    assert told["tribler"] == ["applied"]
    assert told["endpoint"] == "UDPEndpoint"


def test_a_killed_reader_heals_and_each_step_is_an_event_in_triblers_stream(with_plugin):
    _, told = with_plugin
    steps = [tuple(step) for step in told["steps"]]
    for step in [
        ("state", "suspect"),
        ("state", "re-arming"),
        ("re-armed", ""),
        ("state", "rebinding"),
        ("rebound", ""),
    ]:
        assert step in steps
    assert steps[-1] == ("state", "healthy")
    assert ("state", "quiet") not in steps  # an idle endpoint's routine
    assert told["popups when healed"] == []


def test_a_failure_that_lasts_is_one_popup_in_words(with_plugin):
    version, told = with_plugin
    (popup,) = told["popups"]
    text = popup["traceback"] if version == "8" else popup["error"]["long_text"]
    assert text.startswith("UDPEndpoint 127.0.0.1:")
    assert " has heard nobody for " in text
    if version == "8":
        assert "open http://127.0.0.1:" in text
        assert "/api/udp-fix/ui in this browser" in text
    else:
        assert "tribler-udp-fix tribler check" in text
    if version == "7":
        assert popup["error"]["should_stop"] is False


def test_what_is_asked_for_is_done_for_its_own_pages_within_a_budget_of_its_own(with_plugin):
    _, told = with_plugin
    assert told["rebind of another origin"] == [403, "Origin"]
    assert told["rebind not declared as JSON"] == [415, "Content-Type"]
    # The one that the watchdog may make was for the reader that was killed first.
    assert told["rebinds asked for"] == [200, 409]


def test_whoever_has_this_users_rights_finds_the_page_while_it_runs(with_plugin):
    _, told = with_plugin
    ((status, found),) = told["found"]
    assert (status, found["watchdogs"]) == (200, 1)
    assert told["found when stopped"] == []


def test_it_leaves_no_task_no_error_and_no_line_in_the_log(with_plugin):
    _, told = with_plugin
    assert (told["tasks left"], told["leaked"], told["logged"]) == ([], [], [])


def test_without_the_variable_nothing_of_it_is_there(without_plugin):
    _, told = without_plugin
    assert (told["/health"], told["documented"]) == (404, [])
    assert "UdpFixComponent" not in told["components"]
    assert (told["tasks left"], told["leaked"], told["logged"]) == ([], [], [])


def test_the_command_line_does_the_same_without_the_variable():
    told = seen("8", "-m", "tribler_udp_fix", "run", plugin=False)
    assert (told["/health"], told["tribler"], len(told["popups"])) == (200, ["applied"], 1)
    assert (told["tasks left"], told["leaked"], told["logged"]) == ([], [], [])
