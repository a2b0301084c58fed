"""Each fault of IPv8's endpoints, met without the plugin and mended with it, by the real pyipv8."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import pytest
from child import python
from ipv8_expected import HAS_IPV8, SCENARIOS, check
from udp import IN_LAB

pytestmark = pytest.mark.skipif(not HAS_IPV8, reason="pyipv8 does not support this Python")
SCRIPT = str(Path(__file__).with_name("ipv8_faults.py"))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], dict[str, Any]]:
    cwd = tmp_path_factory.mktemp("ipv8")
    runs = {
        plugin: json.loads(python(SCRIPT, *SCENARIOS, plugin=plugin, cwd=cwd))
        for plugin in (False, True)
    }
    return runs.__getitem__


@pytest.mark.parametrize("plugin", [False, True], ids=["stock", "repaired"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_ipv8_does_wrong_is_there_without_the_plugin_and_right_with_it(seen, name, plugin):
    check(seen(plugin), name, plugin=plugin, lab=IN_LAB)
