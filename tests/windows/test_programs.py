"""Programs that nobody here wrote, from PyPI, live through what is deadly without the plugin."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest
from child import python

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="they are laid on 3.12")

FOLDER = pathlib.Path(__file__).with_name("programs")
# As by default, but sooner.
QUICK = {
    "TRIBLER_UDP_FIX_WATCH": "all",
    "TRIBLER_UDP_FIX_PROBE_AFTER": "0.5",
    "TRIBLER_UDP_FIX_PROBE_TIMEOUT": "0.5",
    "TRIBLER_UDP_FIX_PROBE_MISSES": "2",
    "TRIBLER_UDP_FIX_TICK": "0.1",
}


def outcome(program, *arguments, plugin):
    settings = QUICK if plugin else {}
    return json.loads(
        python(str(FOLDER / program), *arguments, plugin=plugin, timeout=90, **settings)
    )


def test_a_transfer_by_aioquic_goes_on_across_lost_completions_and_rebinds_of_both_sides():
    done = outcome("quic.py", "all", plugin=True)
    assert (done["came"], done["intact"]) == (20_000_000, True), done
    assert done["mended"].count("rebound") == 2


def test_a_transfer_by_aioquic_dies_of_one_lost_completion_without_the_plugin():
    done = outcome("quic.py", "one", plugin=False)
    assert 2_000_000 <= done["came"] < 20_000_000


def test_an_observation_by_aiocoap_goes_on_across_lost_completions_and_rebinds_of_both_sides():
    done = outcome("coap.py", "all", plugin=True)
    assert done["went_on"], done
    assert done["mended"].count("rebound") == 2


def test_an_observation_by_aiocoap_dies_of_one_lost_completion_without_the_plugin():
    assert not outcome("coap.py", "one", plugin=False)["went_on"]


def test_a_network_of_kademlia_finds_its_values_after_two_of_ten_nodes_were_hit():
    done = outcome("dht.py", plugin=True)
    assert done["hit"] + done["others"] == [10] * 10, done
    assert done["mended"].count("rebound") == 1


def test_the_hit_nodes_of_kademlia_find_less_without_the_plugin():
    done = outcome("dht.py", plugin=False)
    assert all(found < 10 for found in done["hit"]), done
