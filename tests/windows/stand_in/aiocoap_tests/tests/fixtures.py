"""What aiocoap's tests are derived from; the sdist leaves theirs out.

As strict as the tests say by the names that they use: warnings that were not foreseen fail a test,
and so does a context that something still holds after its end.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import sys
import unittest
import weakref
from typing import Any, Callable, Sequence

CLEANUPTIME = 0.01  # seconds that datagrams on loopback, and the closing of sockets, are given


class Records(logging.Handler):
    """What was logged, in order, without what would keep objects alive."""

    def __init__(self) -> None:
        super().__init__()
        self.list: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self.list.append(record)

    def __iter__(self) -> Any:
        return iter(self.list)


class WithLogMonitoring(unittest.IsolatedAsyncioTestCase):
    """Whose ``handler`` has what was logged during a test."""

    def setUp(self) -> None:
        super().setUp()
        self.handler, self._level = Records(), logging.root.level
        logging.root.setLevel(logging.NOTSET)
        logging.root.addHandler(self.handler)
        self.addCleanup(self._forget)

    def _forget(self) -> None:
        logging.root.removeHandler(self.handler)
        logging.root.setLevel(self._level)

    def warnings(self, since: int = 0) -> list[str]:
        """The warnings, and what is worse, after the record number *since*."""
        records = self.handler.list[since:]
        return [record.getMessage() for record in records if record.levelno >= logging.WARNING]

    def assertWarned(self, message: str) -> None:
        """There was this warning, which counts as foreseen from now on."""
        assert message in self.warnings()
        record = next(each for each in self.handler.list if each.getMessage() == message)
        self.handler.list.remove(record)


class Destructing(WithLogMonitoring):
    """Whose objects are to be gone when their last name is."""

    async def _del_to_be_sure(self, what: Any) -> None:
        """Delete an attribute, or what ``what["del"]`` deletes, and see it collected."""
        if isinstance(what, str):
            name = what
            what = {
                "get": lambda case: getattr(case, name),
                "del": lambda case: delattr(case, name),
                "label": name,
            }
        left = weakref.ref(what["get"](self))
        what["del"](self)
        await asyncio.sleep(CLEANUPTIME)
        gc.collect()
        if left() is not None and sys.exc_info()[0] is None:
            self.fail(f"{what['label']} is still held by {gc.get_referrers(left())}")


def precise_warnings(expected: Sequence[str]) -> Callable[[Any], Any]:
    """Let a test pass only with these warnings; "..." at the end of one stands for any rest."""

    def checked(case: WithLogMonitoring, since: int) -> None:
        found = case.warnings(since)
        assert len(found) == len(expected), found
        for said, wanted in zip(found, expected):
            assert said == wanted or (wanted.endswith("...") and said.startswith(wanted[:-3])), said

    def decorate(function: Any) -> Any:
        if asyncio.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapped(case: Any, *args: Any) -> Any:
                since = len(case.handler.list)
                done = await function(case, *args)
                checked(case, since)
                return done
        else:

            @functools.wraps(function)
            def wrapped(case: Any, *args: Any) -> Any:
                since = len(case.handler.list)
                done = function(case, *args)
                checked(case, since)
                return done

        return wrapped

    return decorate


no_warnings = precise_warnings([])
