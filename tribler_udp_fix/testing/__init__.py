"""Faults to try a program's UDP endpoints with, a fast clock, and (pytest_plugin) fixtures of both.

The names below are loaded when they are first used: pytest imports this package at its start,
because of the plugin, in every run of everybody who has the project installed. docs/testing.md
explains them. PYTEST_DONT_REWRITE
"""

# Neither "from __future__ import annotations" nor typing: as in tribler_udp_fix itself.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tribler_udp_fix.testing._clock import changed_addresses, clock_jump
    from tribler_udp_fix.testing._fast import FastLoop, fast_loop
    from tribler_udp_fix.testing._handler import RaisingHandler, raising_handler
    from tribler_udp_fix.testing._loop import starved_loop
    from tribler_udp_fix.testing._network import (
        LossyNetwork,
        answers_from_elsewhere,
        late_answers,
        lossy_network,
        repeated_answers,
        silent_peer,
    )
    from tribler_udp_fix.testing._port import TakenPort, taken_port
    from tribler_udp_fix.testing._receiving import dead_reader, lost_completion
    from tribler_udp_fix.testing._rust import deaf_rust_endpoint
    from tribler_udp_fix.testing._sending import FailingSends, departed_peer, failing_sends
    from tribler_udp_fix.testing._targets import FaultUnavailable
    from tribler_udp_fix.testing._wakeup import wakeup_cut, wakeup_end, wakeup_reset
    from tribler_udp_fix.testing._watched import watched

__all__ = [
    "FailingSends",
    "FastLoop",
    "FaultUnavailable",
    "LossyNetwork",
    "RaisingHandler",
    "TakenPort",
    "answers_from_elsewhere",
    "changed_addresses",
    "clock_jump",
    "dead_reader",
    "deaf_rust_endpoint",
    "departed_peer",
    "failing_sends",
    "fast_loop",
    "late_answers",
    "lossy_network",
    "lost_completion",
    "raising_handler",
    "repeated_answers",
    "silent_peer",
    "starved_loop",
    "taken_port",
    "wakeup_cut",
    "wakeup_end",
    "wakeup_reset",
    "watched",
]

_HOMES = {
    "FailingSends": "_sending",
    "FastLoop": "_fast",
    "FaultUnavailable": "_targets",
    "LossyNetwork": "_network",
    "RaisingHandler": "_handler",
    "TakenPort": "_port",
    "answers_from_elsewhere": "_network",
    "changed_addresses": "_clock",
    "clock_jump": "_clock",
    "dead_reader": "_receiving",
    "deaf_rust_endpoint": "_rust",
    "departed_peer": "_sending",
    "failing_sends": "_sending",
    "fast_loop": "_fast",
    "late_answers": "_network",
    "lossy_network": "_network",
    "lost_completion": "_receiving",
    "raising_handler": "_handler",
    "repeated_answers": "_network",
    "silent_peer": "_network",
    "starved_loop": "_loop",
    "taken_port": "_port",
    "wakeup_cut": "_wakeup",
    "wakeup_end": "_wakeup",
    "wakeup_reset": "_wakeup",
    "watched": "_watched",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = __import__(f"{__name__}.{_HOMES[name]}", fromlist=[name])
    value: object = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *_HOMES})
