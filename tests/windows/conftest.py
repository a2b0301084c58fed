"""Event loops for the tests that run inside a Windows Python."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any, Callable, Iterator

import pytest

import tribler_udp_fix

Run = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def repaired() -> Iterator[None]:
    """asyncio as the plugin repairs it, for one test."""
    tribler_udp_fix.install()
    yield
    tribler_udp_fix.uninstall()


def _runner(make_loop: Callable[[], Any]) -> Run:
    def run(main: Callable[[], Any]) -> Any:
        loop = make_loop()
        failures: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        try:
            result = loop.run_until_complete(asyncio.wait_for(main(), 60))
            # Transports that were closed say good-bye in the next turns of the loop.
            loop.run_until_complete(asyncio.sleep(0.05))
        finally:
            loop.close()
        run.failures = failures  # type: ignore[attr-defined]
        return result

    return run


@pytest.fixture
def run(repaired: None) -> Run:
    """Run an async function on the repaired Proactor."""
    assert sys.platform == "win32"
    return _runner(asyncio.ProactorEventLoop)


@pytest.fixture
def run_stock() -> Run:
    """Run an async function on the Proactor as CPython made it."""
    assert sys.platform == "win32"
    assert not tribler_udp_fix.status().installed
    return _runner(asyncio.ProactorEventLoop)


@pytest.fixture(params=["selector", "proactor"])
def run_both(request: pytest.FixtureRequest) -> Run:
    """Run on SelectorEventLoop, which is the reference, and on the repaired Proactor."""
    if request.param == "selector":
        return _runner(asyncio.SelectorEventLoop)
    run: Run = request.getfixturevalue("run")
    return run


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> int:
    """Both address families."""
    value: int = request.param
    return value
