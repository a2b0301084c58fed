"""What ipv8_faults.py sees, without the plugin and with it, on any pyipv8 and platform."""

from __future__ import annotations

import importlib.util
from typing import Any, Dict

SCENARIOS = ("taken", "elsewhere", "past_the_last", "together", "listeners", "states")
Outcomes = Dict[str, Any]

_FORWARDED = ["add_listener", "add_prefix_listener", "remove_listener", "notify_listeners"]
_APPLIED = {
    "F13": "open() leaks no socket and tells when it failed; errors are counted",
    "F15": f"StatisticsEndpoint passes on {', '.join(_FORWARDED)}; "
    "TunnelEndpoint passes on remove_listener",
}


def version_of(seen: Outcomes) -> tuple[int, ...]:
    """The pyipv8 that was there, such as (3, 2, 1)."""
    return tuple(map(int, seen["states"]["version"].split(".")))


def check(seen: Outcomes, name: str, *, plugin: bool, lab: bool = False) -> None:
    """Fail unless the scenario *name* came out as it must. *lab*: Wine binds any IPv4 address."""
    version = version_of(seen)
    found = seen[name]
    if name == "taken":
        expected: Any = _opened(moved=3, abandoned=0 if plugin else 3, heard=5)
    elif name == "elsewhere":
        expected = {
            cls: _closed(f"{cls} is not open on {ip}, port 8090")
            if plugin
            else _opened(moved=10_000, abandoned=_abandoned(version, 10_000))
            for cls, ip in (("UDPEndpoint", "203.0.113.9"), ("UDPv6Endpoint", "2001:db8::9"))
        }
        if lab:
            found, expected = found["UDPv6Endpoint"], expected["UDPv6Endpoint"]
    elif name == "past_the_last":
        expected = _closed("UDPEndpoint is not open on 127.0.0.1, ports 65534 to 65535")
        if not plugin:
            abandoned = _abandoned(version, 3)
            expected.update(result="OverflowError", moved=2, abandoned=abandoned, log=[])
    elif name == "together":
        expected = {"results": [True, True], "bound": 1 if plugin else 2}
    elif name == "listeners":
        found = {endpoint: heard for endpoint, heard in found.items() if heard is not None}
        expected = {endpoint: _heard(endpoint, version, plugin) for endpoint in found}
        assert {"bare udp", "statistics udp", "statistics dispatcher"} <= set(found)
        assert version < (3, 1) or "tunnel dispatcher" in found
    else:
        found = {fault: tuple(found["repairs"][fault]) for fault in _APPLIED}
        expected = _states(version, plugin)
        if expected["F15"][0] == "not needed":  # its TunnelEndpoint may need what is not here
            found["F15"] = found["F15"][0], found["F15"][1].partition(";")[0]
    assert found == expected, f"pyipv8 {version}, {name}: {found} instead of {expected}"


def _opened(**outcome: Any) -> Outcomes:
    return {"result": True, "running": True, "log": [], **outcome}


def _closed(line: str, **outcome: Any) -> Outcomes:
    closed = {"result": False, "running": False, "moved": 0, "abandoned": 0, "log": [line]}
    return {**closed, **outcome}


def _abandoned(version: tuple[int, ...], failed: int) -> int:
    # Up to 2.11 the endpoint keeps the last one, in the place of its transport.
    return failed if version >= (2, 12) else failed - 1


def _heard(endpoint: str, version: tuple[int, ...], plugin: bool) -> list[int]:
    """Of five packets: heard while the listener is there, and heard once it is removed."""
    wrapper, leaf = endpoint.split()
    if plugin or wrapper == "bare" or version < (3, 1):
        return [5, 0]
    if wrapper == "tunnel":  # each one twice, and for ever
        return [10, 10]
    return [5, 5] if leaf == "udp" else [0, 0]


def _states(version: tuple[int, ...], plugin: bool) -> Outcomes:
    if not plugin:
        return dict.fromkeys(_APPLIED, ("off", "not installed"))
    states = {fault: ("applied", how) for fault, how in _APPLIED.items()}
    if version < (3, 1):
        states["F15"] = "not needed", "StatisticsEndpoint of this pyipv8 passes listeners on"
    return states


HAS_IPV8 = importlib.util.find_spec("ipv8") is not None
