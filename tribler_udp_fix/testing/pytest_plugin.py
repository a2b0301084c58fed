"""Fixtures for pytest: the faults of ``tribler_udp_fix.testing``, over when the test is.

Each is a factory of the same name and arguments as the context manager that it enters: what
``with lost_completion(endpoint)`` does until the block ends, ``lost_completion(endpoint)`` does
until the test ends. A fixture of yours with one of these names takes the place of ours.

pytest loads this module at every start, for everybody who has the package (entry point group
``pytest11``): it imports nothing but pytest, and neither asyncio nor IPv8. ``-p
no:tribler_udp_fix`` keeps it out. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterator

import pytest

from tribler_udp_fix import testing

Factory = Callable[..., Any]


def _factory(name: str) -> Iterator[Factory]:
    with contextlib.ExitStack() as entered:

        def enter(*args: Any, **kwargs: Any) -> Any:
            return entered.enter_context(getattr(testing, name)(*args, **kwargs))

        yield enter


@pytest.fixture
def departed_peer() -> Iterator[Factory]:
    """``departed_peer(family)`` returns an address that nobody listens on."""
    yield from _factory("departed_peer")


@pytest.fixture
def lost_completion() -> Iterator[Factory]:
    """``lost_completion(endpoint, until="rearm")``: its receive never completes."""
    yield from _factory("lost_completion")


@pytest.fixture
def dead_reader() -> Iterator[Factory]:
    """``dead_reader(endpoint)``: it has stopped to read."""
    yield from _factory("dead_reader")


@pytest.fixture
def failing_sends() -> Iterator[Factory]:
    """``failing_sends(endpoint, error)`` returns the ``FailingSends`` that counts them."""
    yield from _factory("failing_sends")


@pytest.fixture
def taken_port() -> Iterator[Factory]:
    """``taken_port(endpoint)`` returns the ``TakenPort`` with its ``release()``."""
    yield from _factory("taken_port")


@pytest.fixture
def starved_loop() -> Iterator[Factory]:
    """``starved_loop(seconds, pause=0.0, loop=None)`` blocks the event loop again and again."""
    yield from _factory("starved_loop")


@pytest.fixture
def raising_handler() -> Iterator[Factory]:
    """``raising_handler(endpoint, error=None)`` returns the ``RaisingHandler`` that counts."""
    yield from _factory("raising_handler")


@pytest.fixture
def wakeup_reset() -> Iterator[Factory]:
    """``wakeup_reset(loop)``: both ends of its pair of wake-up sockets are reset."""
    yield from _factory("wakeup_reset")


@pytest.fixture
def wakeup_end() -> Iterator[Factory]:
    """``wakeup_end(loop)``: its pair of wake-up sockets is at its end."""
    yield from _factory("wakeup_end")


@pytest.fixture
def wakeup_cut() -> Iterator[Factory]:
    """``wakeup_cut(loop)``: the writing end of its pair of wake-up sockets is dead."""
    yield from _factory("wakeup_cut")


@pytest.fixture
def deaf_rust_endpoint() -> Iterator[Factory]:
    """``deaf_rust_endpoint(endpoint)``: it hears nothing, and says that it is open."""
    yield from _factory("deaf_rust_endpoint")


@pytest.fixture
def clock_jump() -> Iterator[Factory]:
    """``clock_jump(seconds)``: every running watchdog finds that the machine has slept."""
    yield from _factory("clock_jump")


@pytest.fixture
def changed_addresses() -> Iterator[Factory]:
    """``changed_addresses(addresses)``: every running watchdog finds that it has others."""
    yield from _factory("changed_addresses")


@pytest.fixture
def lossy_network() -> Iterator[Factory]:
    """``lossy_network(endpoint, share=0.1, seed=0)`` returns the ``LossyNetwork`` that counts."""
    yield from _factory("lossy_network")


@pytest.fixture
def silent_peer() -> Iterator[Factory]:
    """``silent_peer(endpoint)``: it neither hears nor sends."""
    yield from _factory("silent_peer")


@pytest.fixture
def late_answers() -> Iterator[Factory]:
    """``late_answers(endpoint, seconds)``: what it sends leaves later."""
    yield from _factory("late_answers")


@pytest.fixture
def repeated_answers() -> Iterator[Factory]:
    """``repeated_answers(endpoint)``: each datagram is sent twice."""
    yield from _factory("repeated_answers")


@pytest.fixture
def answers_from_elsewhere() -> Iterator[Factory]:
    """``answers_from_elsewhere(endpoint)``: what it sends leaves from another port."""
    yield from _factory("answers_from_elsewhere")


@pytest.fixture
def watched() -> Iterator[Factory]:
    """``watched(endpoint, on_event=None, **settings)`` returns a ``Watchdog`` that has started.

    It is stopped at the end of the test, if the test has not done so.
    """
    yield from _factory("watched")
