"""pyipv8's own tests pass with everything of ours on wherever they pass without any of it."""

from __future__ import annotations

import sys

import pytest
from ipv8_expected import HAS_IPV8
from outcomes import compare

pytestmark = [
    pytest.mark.alone,  # some of them depend on time
    pytest.mark.skipif(
        not HAS_IPV8 or (sys.platform == "win32" and sys.version_info[:2] != (3, 12)),
        reason="Windows shows it on 3.12",
    ),
]

# Those that have to do with peers, requests and sockets.
MESSAGING = "messaging" if sys.platform != "win32" else "messaging.interfaces"  # half a minute less
PARTS = ("dht", MESSAGING, "peerdiscovery", "test_community", "test_requestcache")
NAMES = [f"ipv8.test.{part}" for part in PARTS]
ON = {
    "TRIBLER_UDP_FIX_PEER_MONITOR": "on",
    "TRIBLER_UDP_FIX_DROP_GONE_PEERS": "1",
    "TRIBLER_UDP_FIX_DHT_PINGS": "on",
    "TRIBLER_UDP_FIX_WATCH": "all",
}


def pass_as_before(folder, ran, **env):
    """Both runs; fails where the second has lost one, or ours had next to nothing to do."""
    stock, repaired = compare(NAMES, folder, options=["--everything"], **ON, **env)
    assert list(stock.values()).count("passed") >= ran
    did = repaired["everything"]
    assert did["asked"] >= 100
    assert did["monitors"] >= 50
    assert did["looks"] >= did["monitors"]
    assert did["heard"] >= 1000


def test_pyipv8s_own_tests_pass_with_everything_of_ours_on(tmp_path):
    pass_as_before(tmp_path, ran=150)
