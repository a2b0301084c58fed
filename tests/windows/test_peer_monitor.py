"""Real IPv8 nodes watch each other, on the repaired Proactor."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest
from child import python
from ipv8_expected import HAS_IPV8
from peer_expected import check_watched
from rust import needs_rust

pytestmark = pytest.mark.skipif(
    not HAS_IPV8 or sys.version_info[:2] != (3, 12), reason="one Windows Python shows it"
)


@pytest.mark.parametrize(
    "name",
    [
        *("leaving", "returning", "forged", "deaf", "cleaned_up"),
        *("one_datagram_lost", "out_of_reach"),
    ],
)
def test_peers_are_watched(name, run):
    import monitored

    run(getattr(monitored, name))


WATCHING = str(Path(__file__).with_name("peers_watched.py"))


@needs_rust
def test_peers_are_watched_over_the_endpoint_of_rust(tmp_path):
    seen = json.loads(python(WATCHING, "--rust", plugin=True, cwd=tmp_path))
    check_watched(seen, metadata.version("pyipv8"), "ipv8_rust_tunnels.endpoint")
