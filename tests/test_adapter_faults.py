"""What keeps to a network adapter sends by no other, whatever takes the adapter's place."""

from __future__ import annotations

import sys
from typing import Any, Iterator

import pytest

if sys.platform != "linux":
    pytest.skip("they are made in network namespaces", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from tests.test_networks import two_adapters
from tests.winlab.machines import SCRIPTS, LinuxMachine

EXPECTED: dict[str, dict[str, Any]] = {
    "ipv6_routed_by_another": {
        "bound to": "fd80::2",
        "leaked": 0,
        "heard": True,
        "asked": 0,
        "bound to device": True,
    },
    "comes_again_at_once": {"leaves": True, "state": "healthy"},
    "another_has_its_name": {"bound to": "10.81.0.2"},
    "kept_to_another_before": {"bound to": "10.80.0.2", "leaked": 0},
    "added": {"bound to": "10.80.0.2", "leaked": 0},
    "without_the_option": {"leaked": 0},
    "refused": {"heard": 1, "closed": False},
    "had_received": {"heard": 200},
    "opened_by_ipv8": {"bound to": ["10.80.0.2", "10.80.0.2"]},
    "many_addresses": {"few": True},
    "its_lan_address_while_there_is_none": {"lan": None},
}


@pytest.fixture(scope="module")
def machine() -> Iterator[LinuxMachine]:
    with two_adapters("adapters") as namespace:
        yield LinuxMachine(namespace, (sys.executable,))


@pytest.mark.parametrize("name", EXPECTED)
def test_an_endpoint_keeps_to_its_adapter(machine, name):
    seen = machine.seen(SCRIPTS / "adapter_faults.py", name, plugin=False)
    assert seen[name] == EXPECTED[name]
