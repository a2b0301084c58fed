"""Run the tests of another's program, and print each one's outcome as JSON, as suite.py does.

``python program_suite.py NAME [NAME ...]``: the names are suite.py's, but those that begin with
``kademlia.`` are pytest's, as ``kademlia.tests`` or ``kademlia.tests.test_server::test_storing``.
Under the name "everything" it prints how many transports the plugin watched.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import unittest
from typing import Any, Iterator

import pytest
import suite

stock_getaddrinfo = socket.getaddrinfo


def as_on_windows(host: Any, *args: Any, **kwargs: Any) -> Any:
    """Have ``localhost`` be ::1 before it is 127.0.0.1, as on Windows; Wine goes by /etc/hosts.

    aioquic's tests listen on "::", which on Windows is IPv6 alone, and connect to the first.
    """
    found = stock_getaddrinfo(host, *args, **kwargs)
    return stock_getaddrinfo("::1", *args, **kwargs) + found if host == "localhost" else found


class Asyncio:
    """As much of pytest-asyncio, which the lab has not got, as kademlia's tests ask for."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self._names: dict[str, str] = {}

    @pytest.fixture
    def event_loop(self) -> Iterator[asyncio.AbstractEventLoop]:
        loop = asyncio.new_event_loop()
        yield loop
        loop.close()

    def pytest_configure(self, config: Any) -> None:
        config.addinivalue_line("markers", "asyncio: run by an event loop")

    def pytest_itemcollected(self, item: Any) -> None:
        # By the module, as --pyargs finds it again; a path depends on the folder.
        self._names[item.nodeid] = f"{item.module.__name__}::{item.nodeid.partition('::')[2]}"

    def pytest_pyfunc_call(self, pyfuncitem: Any) -> object:
        if not asyncio.iscoroutinefunction(pyfuncitem.obj):
            return None
        given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        loop = pyfuncitem.funcargs["event_loop"]
        loop.run_until_complete(pyfuncitem.obj(**given))
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            name = self._names[report.nodeid]
            if self.outcomes.get(name) != "failed":
                self.outcomes[name] = report.outcome


def by_pytest(names: list[str]) -> dict[str, str]:
    """What became of kademlia's tests *names*."""
    seen = Asyncio()
    options = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", "--pyargs"]
    ended = pytest.main([*options, *names], plugins=[seen])
    assert ended in (0, 1), ended  # it was interrupted, or found no test
    return seen.outcomes


def by_unittest(names: list[str]) -> dict[str, str]:
    """What became of unittest's tests *names*."""
    found = unittest.defaultTestLoader.loadTestsFromNames(names)
    for test in suite.tests(found):
        assert "FailedTest" not in type(test).__name__, test  # a module that was not imported
    result: Any = unittest.TextTestRunner(stream=sys.stderr, resultclass=suite.Outcomes).run(found)
    outcomes: dict[str, str] = result.outcomes
    return outcomes


def count_watched() -> dict[str, int]:
    """A count of the transports that the setting ``watch=all`` has watched."""
    from tribler_udp_fix._watchdog import _everywhere

    count, of_loop = {"watched": 0}, _everywhere._OfLoop
    stock_add = of_loop.add

    def add(watchdog: Any, endpoint: Any) -> None:
        stock_add(watchdog, endpoint)
        count["watched"] += 1

    setattr(of_loop, "add", add)  # noqa: B010 - which mypy would not have as an assignment
    return count


def main(names: list[str]) -> None:
    socket.getaddrinfo = as_on_windows
    count = count_watched() if "TRIBLER_UDP_FIX" in os.environ else {}
    channel, sys.stdout = sys.stdout, sys.stderr
    by = by_pytest if names[0].startswith("kademlia.") else by_unittest
    print(json.dumps({**by(names), "everything": count}), file=channel)


if __name__ == "__main__":
    main(sys.argv[1:])
