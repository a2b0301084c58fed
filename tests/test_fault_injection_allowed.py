"""What injected faults refuse: with such an argument there would be none, and a test would pass."""

from __future__ import annotations

import asyncio
import socket
import sys
from fractions import Fraction
from typing import Any

import pytest

from tribler_udp_fix import testing

from .datagrams import endpoint, run

if sys.platform == "win32":
    pytest.skip("that is the same on any system", allow_module_level=True)

NAN, INFINITE = float("nan"), float("inf")
SECONDS = "allowed is a number of seconds from 0"
JUMP = r"allowed is a number of seconds, 2\.0 or more, or -2\.0 or less"
ADDRESSES = 'allowed is a tuple of IPv4 and IPv6 addresses, "" for none'
ERROR = "allowed is an OSError, or its number, from 1"
FAMILY = r"allowed is socket\.AF_INET or socket\.AF_INET6"


@pytest.mark.parametrize(
    ("fault", "given", "error", "says"),
    [
        ("starved_loop", {"seconds": "x"}, TypeError, f"seconds='x': {SECONDS} to 4,294,967"),
        ("starved_loop", {"seconds": None}, TypeError, f"seconds=None: {SECONDS}"),
        ("starved_loop", {"seconds": True}, TypeError, f"seconds=True: {SECONDS}"),
        ("starved_loop", {"seconds": -1}, ValueError, f"seconds=-1: {SECONDS}"),
        ("starved_loop", {"seconds": NAN}, ValueError, f"seconds=nan: {SECONDS}"),
        ("starved_loop", {"seconds": INFINITE}, ValueError, f"seconds=inf: {SECONDS}"),
        ("starved_loop", {"seconds": 1, "pause": "x"}, TypeError, f"pause='x': {SECONDS}"),
        ("starved_loop", {"seconds": 1, "pause": -1}, ValueError, f"pause=-1: {SECONDS}"),
        ("late_answers", {"seconds": -1}, ValueError, f"seconds=-1: {SECONDS}"),
        ("late_answers", {"seconds": "x"}, TypeError, f"seconds='x': {SECONDS}"),
        ("late_answers", {"seconds": NAN}, ValueError, f"seconds=nan: {SECONDS}"),
        ("late_answers", {"seconds": 10**5000}, ValueError, f"seconds=.*: {SECONDS}"),
        ("lossy_network", {"share": "x"}, TypeError, "share='x': allowed is a number from 0 to 1"),
        ("lossy_network", {"share": None}, TypeError, "share=None: allowed is a number from 0 to"),
        ("lossy_network", {"share": NAN}, ValueError, "share=nan: allowed is a number from 0 to 1"),
        ("lossy_network", {"share": -0.1}, ValueError, "share=-0.1: allowed is a number from 0"),
        ("failing_sends", {"error": -1}, ValueError, f"error=-1: {ERROR}"),
        ("failing_sends", {"error": 0}, ValueError, f"error=0: {ERROR}"),
        ("failing_sends", {"error": 1 << 31}, ValueError, f"error=2147483648: {ERROR}"),
        ("failing_sends", {"error": "x"}, TypeError, f"error='x': {ERROR}"),
        ("failing_sends", {"error": True}, TypeError, f"error=True: {ERROR}"),
        ("failing_sends", {"error": OSError}, TypeError, f"error=<class 'OSError'>: {ERROR}"),
        ("clock_jump", {"seconds": NAN}, ValueError, f"seconds=nan: {JUMP}"),
        ("clock_jump", {"seconds": INFINITE}, ValueError, f"seconds=inf: {JUMP}"),
        ("clock_jump", {"seconds": 1.9}, ValueError, f"seconds=1.9: {JUMP}"),
        ("clock_jump", {"seconds": "x"}, TypeError, f"seconds='x': {JUMP}"),
        ("changed_addresses", {"addresses": "x"}, TypeError, f"addresses='x': {ADDRESSES}"),
        ("changed_addresses", {"addresses": None}, TypeError, f"addresses=None: {ADDRESSES}"),
        ("changed_addresses", {"addresses": 5}, TypeError, f"addresses=5: {ADDRESSES}"),
        ("changed_addresses", {"addresses": [5]}, TypeError, rf"addresses=\[5\]: {ADDRESSES}"),
        ("changed_addresses", {"addresses": ["nonsense"]}, ValueError, f"'nonsense'.: {ADDRESSES}"),
        ("departed_peer", {"family": socket.AF_UNIX}, ValueError, f"family=.*: {FAMILY}"),
        ("departed_peer", {"family": "x"}, TypeError, f"family='x': {FAMILY}"),
        ("departed_peer", {"family": []}, TypeError, rf"family=\[\]: {FAMILY}"),
    ],
)
def test_what_would_be_no_fault_is_refused_at_once(fault, given, error, says):
    async def main():
        made = await endpoint()
        if fault in ("late_answers", "lossy_network", "failing_sends"):
            given["endpoint"] = made.transport
        with pytest.raises(error, match=says):
            getattr(testing, fault)(**given).__enter__()
        await made.hears(b"as ever")
        made.transport.close()

    assert run(main) == []


def test_numbers_of_every_kind_are_allowed():
    tenth: Any = Fraction(1, 10)

    async def main():
        made = await endpoint()
        for share in (0, 1, 0.5, tenth):
            with testing.lossy_network(made.transport, share):
                pass
        for seconds in (0, 2, 0.5, tenth):
            with testing.late_answers(made.transport, seconds):
                pass
        made.transport.close()
        for seconds in (0, 0.01, tenth):
            with testing.starved_loop(seconds, pause=tenth / 100):
                await asyncio.sleep(0.05)

    assert run(main) == []


@pytest.mark.parametrize(
    "addresses",
    [(), ("",), ("203.0.113.5", ""), ["203.0.113.5", "2001:db8::1"], ("", "fe80::1%eth0")],
)
def test_so_are_addresses_of_either_family_and_none(addresses: Any) -> None:
    with pytest.raises(testing.FaultUnavailable, match="no watchdog runs"):
        testing.changed_addresses(addresses).__enter__()
