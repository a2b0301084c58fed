"""Each fault of IPv8's endpoints, met without the plugin and mended with it, by the real pyipv8."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
from child import python
from ipv8_expected import HAS_IPV8, SCENARIOS, check
from udp import IN_LAB

pytestmark = pytest.mark.skipif(not HAS_IPV8, reason="pyipv8 does not support this Python")
SCRIPT = str(Path(__file__).with_name("ipv8_faults.py"))
SERVICES = str(Path(__file__).with_name("ipv8_service_statistics.py"))


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


@pytest.mark.skipif(sys.version_info < (3, 10), reason="its keys need libsodium, or pyipv8 3.2.1")
def test_with_statistics_on_two_services_hear_each_other_with_the_plugin_alone(tmp_path):
    stock, repaired = (
        json.loads(python(SERVICES, plugin=plugin, cwd=tmp_path)) for plugin in (False, True)
    )
    assert stock == {"heard": [[], []], "counted": [5, 5]}
    assert repaired == {"heard": [[0, 1, 2, 3, 4]] * 2, "counted": [5, 5]}
