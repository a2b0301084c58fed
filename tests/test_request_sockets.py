"""The pool of sockets for asking public servers, on Linux."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Iterator

import pytest

from .windows_tests import taken_from

if sys.platform != "win32":  # there tests/windows is run as it is
    globals().update(taken_from("test_request_sockets", "ask"))
    globals().update(taken_from("test_request_sockets_closing"))
    globals().update(taken_from("test_request_sockets_replaced"))
    globals().update(taken_from("test_request_sockets_waiting"))
    globals().update(taken_from("test_request_sockets_ways"))


@pytest.fixture
def loop() -> Iterator[Any]:
    """asyncio's own."""
    running = asyncio.new_event_loop()
    yield running
    running.run_until_complete(asyncio.sleep(0.01))
    running.close()
