"""Tribler's user is told in one pop-up what lasts, with what can be done about it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any, cast

import pytest

if sys.platform == "win32":
    pytest.skip("tests/windows/test_tribler_hosts.py is for Windows", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint

import tribler_udp_fix
from tribler_udp_fix import EventKind, Settings, Watchdog
from tribler_udp_fix._tribler._relay import Relay
from tribler_udp_fix.testing import failing_sends

QUICK = Settings(probe_after=0.6, probe_timeout=0.3, tick=0.05, jitter=0.0, rebinds_per_hour=0)
LASTING = 0.3  # seconds


class Screen:
    """A user interface that keeps what it is to show."""

    def __init__(self) -> None:
        self.popups: list[tuple[str, str]] = []
        self.kinds: list[str] = []

    def is_there(self) -> bool:
        return True

    def tell(self, event: dict[str, Any]) -> None:
        self.kinds.append(event["kind"])

    def pop_up(self, title: str, text: str) -> None:
        self.popups.append((title, text))


async def shown(settings: Settings, failing: bool, watchdogs: int = 1) -> Screen:
    """What is shown of an endpoint that hears itself, and whose sends may fail."""
    endpoint = UDPEndpoint(0, "127.0.0.1")
    assert await endpoint.open()
    screen = Screen()
    relay = Relay(cast("Any", screen), "open the page", LASTING)
    relay.start()
    kind = EventKind.CANNOT_SEND if failing else EventKind.NO_PEER
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(watchdogs):
            await stack.enter_async_context(Watchdog(endpoint, settings))
        end = loop.time() + 15
        with failing_sends(endpoint, 10013):
            while screen.kinds.count(kind.value) < watchdogs and loop.time() < end:
                if failing:
                    endpoint.send(("127.0.0.1", 9), b"nobody is to hear this")
                await asyncio.sleep(0.1)
            await asyncio.sleep(3 * LASTING)
    relay.stop()
    endpoint.close()
    await asyncio.sleep(0.05)
    return screen


@pytest.mark.parametrize(
    ("failing", "said"),
    [(True, "every send fails: "), (False, "it hears itself, but no peer for ")],
)
def test_what_ails_an_endpoint_that_hears_is_one_popup_with_what_can_be_done(failing, said):
    settings = Settings(**{**vars(QUICK), "no_peer_minutes": 0.0 if failing else 0.1})
    if not failing:  # below what users may set, so that a test can wait for it
        object.__setattr__(settings, "no_peer_minutes", 1.0 / 60.0)
    tribler_udp_fix.install()
    try:
        screen = asyncio.run(shown(settings, failing))
    finally:
        tribler_udp_fix.uninstall()
    ((title, text),) = screen.popups
    assert title.startswith("UDPEndpoint 127.0.0.1:")
    assert said in text
    assert "firewall" in text
    assert text.endswith("To see how it stands, open the page.")


def test_it_is_one_popup_where_several_watchdogs_watch_one_endpoint():
    tribler_udp_fix.install()
    try:
        screen = asyncio.run(shown(QUICK, failing=True, watchdogs=3))
    finally:
        tribler_udp_fix.uninstall()
    assert screen.kinds.count(EventKind.CANNOT_SEND.value) == 3
    assert len(screen.popups) == 1
