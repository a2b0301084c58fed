"""A second chance for a test that failed while others ran beside it: by itself, after all others.

Several Pythons at once on two cores can keep one another waiting for seconds. A test that passes by
itself may have met no more than that, or a fault that only a busy machine brings out: so its
failure is shown, whole, and the closing line counts it. Few may, and none that ended its Python.
"""

from __future__ import annotations

from typing import Callable, Iterable, Sequence

import pytest
from _pytest.terminal import TerminalReporter

AGAIN = "again"  # the outcome of what failed first

Runs = Callable[[Sequence[pytest.Item]], Iterable[Sequence[pytest.TestReport]]]


class SecondChances:
    """Keeps what failed, at most *allowed* tests, and then runs it by itself."""

    def __init__(self, allowed: int) -> None:
        self._left = allowed
        self._waiting: list[pytest.Item] = []

    def takes(self, item: pytest.Item, reports: Sequence[pytest.TestReport]) -> bool:
        """Whether the *item*, whose *reports* these are, has failed and is to be run again.

        Its failures are then no failures any more, but have an outcome of their own.
        """
        failures = [report for report in reports if report.failed]
        if not failures or not self._left:
            return False
        self._left -= 1
        self._waiting.append(item)
        for report in failures:
            report.outcome = AGAIN  # type: ignore[assignment]  # pytest shows what it does not know
        return True

    def run(self, runs: Runs) -> None:
        """Run all that has waited: *runs* gives the reports of each item in turn."""
        waiting, self._waiting, self._left = self._waiting, [], 0
        for item, reports in zip(waiting, runs(waiting)):
            log(item, reports)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        return (AGAIN, "A", "AGAIN") if report.outcome == AGAIN else None

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        reports = terminalreporter.getreports(AGAIN)
        if reports:
            terminalreporter.section("failed beside others, and ran again by themselves")
        for report in reports:
            terminalreporter.section(report.nodeid, "_")
            terminalreporter.write_line(report.longreprtext)


def log(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
    """Tell pytest of an item that has run."""
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
