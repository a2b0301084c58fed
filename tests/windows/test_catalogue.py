"""Every fault of the catalogue: there without the plugin, gone with it."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from child import python

from tribler_udp_fix._asyncio._upstream import has_fault
from tribler_udp_fix._faults import FAULTS
from tribler_udp_fix._trials import run_trials

TRIALS = """
import json
from tribler_udp_fix._trials import run_trials
print(json.dumps({outcome.fault: outcome[1:3] for outcome in run_trials()}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The verdict on each fault, and what was seen: without the plugin, and with it in two ways."""
    cwd = tmp_path_factory.mktemp("trials")
    stock, fast = (python("-c", TRIALS, plugin=plugin, cwd=cwd) for plugin in (False, True))
    one = python("-c", TRIALS, plugin=True, cwd=cwd, TRIBLER_UDP_FIX_FAST_PATH="0")
    return {"stock": json.loads(stock), "fast": json.loads(fast), "one-at-a-time": json.loads(one)}


@pytest.mark.parametrize("way", ["fast", "one-at-a-time"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_kills_without_the_plugin_and_not_with_it(found, fault, way):
    stock, repaired = found["stock"][fault], found[way][fault]
    if has_fault(fault):
        assert stock[0] == "suffers", stock
        assert repaired[0] == "healthy", repaired
    else:
        assert stock[0] in ("healthy", "absent"), stock
        assert repaired[0] == stock[0], repaired


def test_the_selector_loop_is_the_reference_but_for_sock_recvfrom():
    verdicts = {
        outcome.fault: (outcome.verdict, outcome.observed)
        for outcome in run_trials(loop_factory=asyncio.SelectorEventLoop)
    }
    sock_recvfrom = verdicts.pop("F9")
    assert {verdict for verdict, _ in verdicts.values()} == {"healthy"}, verdicts
    # SelectorEventLoop raises ConnectionResetError there instead of waiting for a datagram.
    assert sock_recvfrom[0] == ("suffers" if sys.version_info >= (3, 11) else "absent")
