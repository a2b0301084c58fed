"""A minute of what ``python3 -m tests.winlab.soak`` does for three."""

from __future__ import annotations

import asyncio
import sys

import pytest

import tribler_udp_fix
from tribler_udp_fix import Settings


@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="the soak is run on 3.12")
def test_two_communities_that_suffer_every_fault_still_talk_and_every_message_is_accounted_for():
    from soak import FAULTS, SETTINGS, soak

    assert sys.platform == "win32"
    tribler_udp_fix.install(SETTINGS)
    loop = asyncio.ProactorEventLoop()
    try:
        account = loop.run_until_complete(soak(75.0, seed=3))
    finally:
        loop.close()
        tribler_udp_fix.install(Settings())
        tribler_udp_fix.uninstall()
    assert account["as_promised"], account
    assert all(sum(faults.values()) >= len(FAULTS) for faults in account["faults"])
