"""IPv8 instances that cannot be opened, or lose their port as the repairs go, on Windows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from child import python
from udp import IN_LAB, needs_pyipv8, only_on

pytestmark = [needs_pyipv8, only_on("3.10", "3.12")]

SCRIPT = str(Path(__file__).with_name("networks.py"))
QUICK = {"PROBE_AFTER": "0.5", "PROBE_TIMEOUT": "0.3", "TICK": "0.1", "RETRY_CAP": "60"}
NAMES = ("one_of_two", "none_at_all", "stop_and_start", "taken_and_uninstalled")
SECONDS = 3.0  # until a node hears again whose port is free


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("alone")
    return json.loads(python(SCRIPT, "one_of_two", "none_at_all", plugin=False, cwd=cwd))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    settings: Any = {f"TRIBLER_UDP_FIX_{name}": value for name, value in QUICK.items()}
    cwd = tmp_path_factory.mktemp("networks")
    return json.loads(python(SCRIPT, *NAMES, plugin=True, cwd=cwd, **settings))


def test_an_interface_that_cannot_be_opened_harms_no_other(alone, ours):
    assert (alone["one_of_two"]["raised"], alone["one_of_two"]["heard"]) == ("nothing", True)
    outcome = ours["one_of_two"]
    assert (outcome["raised"], outcome["heard"], outcome["tracebacks"]) == ("nothing", True, 0)


def test_a_node_without_any_socket_burns_no_core_and_stops(alone, ours):
    assert alone["none_at_all"]["stop"] == "AttributeError"
    outcome = ours["none_at_all"]
    assert outcome.pop("core") < (0.02 if IN_LAB else 0.01)  # Wine's clock counts 1/64 s
    assert outcome == {
        "raised": "nothing",
        "state": "backing off",
        "lost": 1,
        "bound": False,
        "configured": ["2001:db8::9", 8090],
        "reasons": ["its address 2001:db8::9 is not on this machine"],
        "stop": "clean",
        "tracebacks": 0,
    }


def test_a_node_that_stops_and_starts_keeps_its_port(ours):
    assert ours["stop_and_start"]["moved"] == [0, 0, 0]


def test_after_uninstalling_while_its_port_is_taken_a_node_is_open_and_gets_it_back(ours):
    outcome = ours["taken_and_uninstalled"]
    assert outcome.pop("heard") <= SECONDS
    assert outcome == {
        "raised": "nothing",
        "open": True,
        "reasons": ["", "another program has port PORT"],
        "tracebacks": 0,
    }
