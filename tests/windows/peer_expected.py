"""What peer_faults.py sees, without the plugin and with it, on any pyipv8 and platform."""

from __future__ import annotations

from typing import Any

# By scenario: without the plugin, and with it.
EXPECTED: dict[str, Any] = {
    "deaf": ([0, 0, 0], [3, 3, 2]),  # F16
    "asleep": ([3, 0, 0], [3, 3, 3]),  # F16
    "heard_once": (False, True),  # F17
    "returned": (False, True),  # F18
    "removed_by_address": (False, True),  # F19
    "late_pings": (0, 3),  # F20
    "waiting": ("waiting", "timed out"),  # F21
    "passing": (
        [True, True, True, False, True, False],
        [True, True, False, True, False, False],
    ),  # F21
    "connecting": ("1 connected", "DHTError"),  # F22
}
SCENARIOS = (*EXPECTED, "states")
FAULTS = tuple(f"F{number}" for number in range(16, 23))


def check(seen: dict[str, Any], *, plugin: bool) -> None:
    """Fail unless every scenario in *seen* came out as it must."""
    version = tuple(seen["states"]["version"])
    has_wait_for = version >= (3,)
    expected = {name: EXPECTED[name][plugin] for name in seen if name != "states"}
    states = dict.fromkeys(FAULTS, "applied" if plugin else "off")
    if not has_wait_for:
        expected["waiting"] = None
    expected["states"] = {"version": list(version), **states}
    assert seen == expected, f"pyipv8 {version}: {seen} instead of {expected}"


# What peers_watched.py sees, on any pyipv8, platform and endpoint.
WATCHED = {
    "at first": ["alive", "alive"],
    "asked": True,
    "answered": True,
    "measured": [True, True],
    "in silence": ["gone", "alive"],
    "at last": ["alive", "alive"],
    "events": [["gone", 0], ["returned", 0]],
}


def check_watched(seen: dict[str, Any], version: str, endpoint: str) -> None:
    """Fail unless a monitor has asked, heard the answers, and told who went and came back."""
    whose = {"version": list(map(int, version.split("."))), "endpoint": endpoint}
    assert seen == {**WATCHED, **whose}
