"""Event loops for the tests that run inside a Windows Python."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from typing import Any, Callable, Iterator

import pytest
from receives import CompletionPort
from udp import IN_LAB
from watched_loop import Watched, watching

import tribler_udp_fix

ERROR_INTERNAL_ERROR = 1359

Run = Callable[[Callable[[], Any]], Any]


@pytest.fixture(scope="session", autouse=True)
def _processes_start() -> Iterator[None]:
    """Wine fails one start of a process in some hundreds with ERROR_INTERNAL_ERROR: try again."""
    if not IN_LAB:
        yield
        return
    import _winapi

    winapi: Any = _winapi
    start = winapi.CreateProcess

    def start_again(*args: Any) -> Any:
        for _ in range(3):
            try:
                return start(*args)
            except OSError as exc:
                if exc.winerror != ERROR_INTERNAL_ERROR:  # type: ignore[attr-defined,unused-ignore]
                    raise
        return start(*args)

    winapi.CreateProcess = start_again
    yield
    winapi.CreateProcess = start


@pytest.fixture
def port() -> Iterator[CompletionPort]:
    """A completion port of its own, without an event loop."""
    made = CompletionPort()
    yield made
    made.close()


FAST, ONE_AT_A_TIME = "fast", "one-at-a-time"
# The tests of what a transport does: it must do so on either way to receive and to send.
BOTH_WAYS = (
    "test_transport_closing",
    "test_transport_receiving",
    "test_transport_rearm",
    "test_transport_sending",
)


# Those of what a watchdog decides, which ask a transport nothing that the default does not answer.
# One receive at a time is re-armed and rebound in test_watchdog.py, test_transport_rearm.py.
DEFAULT_WAY = (
    "test_adapters",
    "test_conditions",
    "test_watchdog_probes",
    "test_watchdog_proof",
    "test_watchdog_rebind",
    "test_watchdog_stop",
    "test_watchdog_transports",
)


# First, wherever this file is loaded from: the order of the parameters is in the tests' names.
@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of transports with the setting fast_path on and off; others as they ask."""
    if metafunc.module.__name__ in BOTH_WAYS and "repaired" in metafunc.fixturenames:
        metafunc.parametrize("repaired", [FAST, ONE_AT_A_TIME], indirect=True)
    if "run_both" in metafunc.fixturenames:
        ways = [FAST] if metafunc.module.__name__ in DEFAULT_WAY else [FAST, ONE_AT_A_TIME]
        metafunc.parametrize("run_both", ["selector", *ways], indirect=True)


@contextlib.contextmanager
def repaired_proactor(*, fast_path: bool) -> Iterator[None]:
    """asyncio as the plugin repairs it."""
    tribler_udp_fix.install(tribler_udp_fix.Settings(fast_path=fast_path))
    try:
        yield
    finally:
        tribler_udp_fix.install(tribler_udp_fix.Settings())
        tribler_udp_fix.uninstall()


@pytest.fixture
def repaired(request: pytest.FixtureRequest) -> Iterator[None]:
    """asyncio as the plugin repairs it, for one test."""
    with repaired_proactor(fast_path=getattr(request, "param", FAST) == FAST):
        yield


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


@pytest.fixture
def run_both(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run on SelectorEventLoop, which is the reference, and on the repaired Proactor."""
    if request.param == "selector":
        yield _runner(asyncio.SelectorEventLoop)
        return
    assert sys.platform == "win32"
    with repaired_proactor(fast_path=request.param == FAST):
        yield _runner(asyncio.ProactorEventLoop)


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> int:
    """Both address families."""
    value: int = request.param
    return value


@pytest.fixture(params=["stock", "repaired", "selector"])
def run_each(request: pytest.FixtureRequest) -> Any:
    """Run on the Proactor as CPython made it, on the repaired one, and on SelectorEventLoop."""
    assert sys.platform == "win32"
    if request.param == "repaired":
        request.getfixturevalue("repaired")
    loop = asyncio.SelectorEventLoop if request.param == "selector" else asyncio.ProactorEventLoop
    run = _runner(loop)
    run.kind = request.param  # type: ignore[attr-defined]
    return run


@pytest.fixture(params=["selector", "proactor"])
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """Each of asyncio's two loops, its turns and errors counted."""
    assert sys.platform == "win32"
    kinds = {"selector": asyncio.SelectorEventLoop, "proactor": asyncio.ProactorEventLoop}
    with watching(kinds[request.param]()) as watched:
        yield watched


@pytest.fixture
def selector() -> Iterator[Watched]:
    """SelectorEventLoop alone, its turns and errors counted."""
    with watching(asyncio.SelectorEventLoop()) as watched:
        yield watched


@pytest.fixture
def proactor() -> Iterator[Watched]:
    """ProactorEventLoop alone, its turns and errors counted."""
    assert sys.platform == "win32"
    with watching(asyncio.ProactorEventLoop()) as watched:
        yield watched
