"""The pytest inside a Windows Python: runs what stdin orders, one JSON line on stdout per report.

Run by bridge.py as a file, so that neither the checkout nor this folder stands before site-packages
on sys.path: the tests are to meet the installed project.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, TextIO

# This file's folder, whose modules are the lab's.
del sys.path[0]

import pytest  # noqa: E402

Message = Dict[str, Any]


class Reporter:
    """The plugin that selects the ordered tests and reports them."""

    def __init__(self, order: Message, channel: TextIO) -> None:
        self._order = order
        self._channel = channel

    def _send(self, **message: Any) -> None:
        self._channel.write(json.dumps(message) + "\n")
        self._channel.flush()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        place = {nodeid: index for index, nodeid in enumerate(self._order["ids"])}
        found = {item.nodeid for item in items}
        self._send(collected=sorted(found), pytest=pytest.__version__)
        items[:] = sorted(
            (item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid]
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._send(failed_to_collect=report.nodeid, why=str(report.longrepr))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._send(started=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        config: pytest.Config = self._order["config"]
        data = config.hook.pytest_report_to_serializable(config=config, report=report)
        if data["longrepr"] is not None:
            data["longrepr"] = self._located(data["longrepr"])
        self._send(report=data)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._send(finished=nodeid)

    def pytest_configure(self, config: pytest.Config) -> None:
        self._order["config"] = config

    def _located(self, value: Any) -> Any:
        """Name the files as the outer pytest does: from the root of the checkout."""
        if isinstance(value, dict):
            return {
                key: self._path(part) if key == "path" else self._located(part)
                for key, part in value.items()
            }
        if isinstance(value, (list, tuple)):
            parts = [self._located(part) for part in value]
            if len(parts) == 3 and isinstance(parts[1], int):  # a skip: file, line, reason
                parts[0] = self._path(parts[0])
            return parts
        return value

    def _path(self, path: str) -> str:
        inside = os.path.relpath(path, self._order["root"])
        return path if inside.startswith("..") else inside.replace("\\", "/")


def main() -> int:
    """Run the ordered tests; what comes back is pytest's exit status."""
    order: Message = json.load(sys.stdin)
    # The reports get stdout for themselves; whatever a test or its children print goes to stderr.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    reporter = Reporter(order, channel)
    status = pytest.main([*order["arguments"], *order["files"]], plugins=[reporter])
    reporter._send(ended=int(status))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
