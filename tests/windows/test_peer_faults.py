"""Each fault of IPv8's liveness, met without the plugin and mended with it, by the real pyipv8."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from child import python
from ipv8_expected import HAS_IPV8
from peer_expected import SCENARIOS, check

pytestmark = pytest.mark.skipif(not HAS_IPV8, reason="pyipv8 does not support this Python")
SCRIPT = str(Path(__file__).with_name("peer_faults.py"))


@pytest.mark.skipif(sys.version_info < (3, 10), reason="tests/test_ipv8_versions.py runs it there")
def test_what_ipv8_does_to_its_peers_is_there_without_the_plugin_and_right_with_it(tmp_path):
    def meet(plugin):
        return json.loads(python(SCRIPT, *SCENARIOS, plugin=plugin, cwd=tmp_path))

    with ThreadPoolExecutor(2) as two:
        seen = list(two.map(meet, (False, True)))
    for plugin in (False, True):
        check(seen[plugin], plugin=plugin)
