"""A pytest plugin for Linux: each test in tests/windows is one item for each Windows Python.

One pytest inside each Windows Python runs them (session.py, inner.py), and each item gives the
report of its own test. A test that is never reported, because the Python crashed, hung or ran no
such test, has failed.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Generator, Literal, NamedTuple

import pytest

from . import lay, places, quick
from .errors import LabError
from .pythons import WindowsPython, allowed, select
from .session import Order, Outcome, Session

When = Literal["setup", "call", "teardown"]

AT_ONCE = 4  # more than there are cores: most tests wait most of their time
# What need not be shown on every Python is shown on these: they begin first, as the longest.
LONGEST = ("3.12", "3.13", "3.10", "3.8")
# A whole day of tests/windows/test_day.py takes a minute and a half on two idle cores.
TIMEOUT = 300.0


def add_options(parser: pytest.Parser) -> None:
    """Add the bridge's options to pytest's."""
    group = parser.getgroup("winlab", "the Windows lab")
    group.addoption(
        "--windows-python",
        action="append",
        metavar="VERSION",
        help=f"run tests/windows on this Windows Python only; repeatable: {allowed()}",
    )
    group.addoption(
        "--windows-jobs",
        type=int,
        default=AT_ONCE,
        metavar="N",
        help="how many Windows Pythons run at once (default: %(default)s)",
    )
    group.addoption(
        "--windows-timeout",
        type=float,
        default=TIMEOUT,
        metavar="SECONDS",
        help="how long one Windows test may take (default: %(default)g)",
    )


class Group(NamedTuple):
    """The items of one session: of one Python, and with the machine to themselves or not."""

    alone: bool
    python: WindowsPython


class WindowsItem(pytest.Item):
    """One test on one Windows Python."""

    python: WindowsPython
    inner_id: str
    info: tuple[Any, int | None, str]

    @classmethod
    def of(cls, function: pytest.Item, python: WindowsPython) -> WindowsItem:
        """Make the item that stands for a collected test function."""
        name, bracket, parameters = function.name.partition("[")
        tag = f"{parameters[:-1]}-{python.tag}" if bracket else python.tag
        assert function.parent is not None
        item: WindowsItem = cls.from_parent(function.parent, name=f"{name}[{tag}]")
        item.python = python
        item.inner_id = function.nodeid
        item.own_markers.extend(function.own_markers)
        item.keywords.update(function.keywords)
        item.info = function.reportinfo()
        return item

    @property
    def group(self) -> Group:
        """The session that it belongs to."""
        return Group(_alone(self), self.python)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        path, line, _ = self.info
        return path, line, self.name

    def runtest(self) -> None:
        raise AssertionError("the bridge runs it")

    def report(self, data: dict[str, Any]) -> pytest.TestReport:
        """Make this item's report of what its Windows Python reported."""
        report: pytest.TestReport = self.config.hook.pytest_report_from_serializable(
            config=self.config, data=data
        )
        report.nodeid, report.location = self.nodeid, self.location
        if isinstance(report.longrepr, list):  # a skip's, a list since it was JSON
            report.longrepr = tuple(report.longrepr)
        return report

    def failure(self, why: str, output: str, when: When) -> pytest.TestReport:
        """Make a report of what went wrong around the test: an error unless *when* is "call"."""
        sections = [(f"stderr of {self.python}", output)] if output else []
        return pytest.TestReport(self.nodeid, self.location, {}, "failed", why, when, sections)


def _turn(group: Group) -> tuple[bool, int]:
    """When it begins: that none is left to run when all others are through."""
    minor = group.python.minor
    return group.alone, LONGEST.index(minor) if minor in LONGEST else len(LONGEST)


def _alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


class Bridge:
    """The plugin, for the tests in one folder."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._pools: list[ThreadPoolExecutor] = []
        self._sessions: dict[Group, Session] = {}
        self._known: set[str] = set()
        self._last: dict[Group, WindowsItem] = {}
        # An argument like file.py::Class keeps the rest of the file from being collected here.
        self._whole = not any("::" in argument for argument in config.args)
        self._lab_error: str | None = None
        self._linux_is_over = threading.Event()
        self._jobs: int = config.getoption("--windows-jobs")
        if self._jobs < 1:
            raise pytest.UsageError(f"--windows-jobs: {self._jobs} is less than 1")
        try:
            few = [quick.PYTHON] if config.getoption("--quick", False) else None
            self._pythons = select(config.getoption("--windows-python") or few)
        except LabError as error:
            raise pytest.UsageError(f"--windows-python: {error}") from None

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector) -> Generator[None, Any, Any]:
        made = yield
        if made is None or self._folder not in collector.path.parents:
            return made
        if isinstance(made, pytest.Collector):
            return made
        functions = made if isinstance(made, list) else [made]
        self._known.update(function.nodeid for function in functions)
        module = collector.path.stem
        pythons = [p for p in self._pythons if not p.overlay or module in p.overlay.tests]
        return [WindowsItem.of(f, python) for f in functions for python in pythons]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        # Session by session, those that want the machine to themselves last; on Linux, first.
        order = [Group(alone, python) for alone in (False, True) for python in self._pythons]
        items.sort(
            key=lambda i: order.index(i.group) if isinstance(i, WindowsItem) else -1 - _alone(i)
        )

    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if isinstance(item, WindowsItem) or not _alone(item):
            # Beside those of Linux, which come first, and which wait most of their time.
            self._start(item.session)
        if not isinstance(item, WindowsItem):
            return None
        self._linux_is_over.set()
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_sessionfinish(self) -> None:
        self._linux_is_over.set()
        for session in self._sessions.values():
            session.stop()
        for pool in self._pools:
            pool.shutdown()

    def _reports(self, item: WindowsItem) -> Generator[pytest.TestReport, None, None]:
        if self._lab_error:
            yield item.failure(self._lab_error, "", "setup")
            return
        outcome: Outcome = self._sessions[item.group].outcome(item.inner_id)
        for data in outcome.reports:
            yield item.report(data)
        if outcome.trouble:
            yield item.failure(outcome.trouble, outcome.output, "call")
        if item is self._last[item.group]:
            yield from self._last_reports(item)

    def _last_reports(self, item: WindowsItem) -> Generator[pytest.TestReport, None, None]:
        """What was wrong with a whole session: errors of its last item."""
        session = self._sessions[item.group]
        if self._whole and (unknown := session.unknown(self._known)):
            why = f"{item.python} has tests that Linux does not collect, so that none runs: "
            yield item.failure(why + ", ".join(unknown), "", "teardown")
        farewell = session.farewell()
        if farewell.trouble:
            why = f"after its tests, {farewell.trouble}"
            yield item.failure(why, farewell.output, "teardown")

    def _start(self, session: pytest.Session) -> None:
        """Lay the lab and order every selected test, the first time."""
        if self._pools or self._lab_error:
            return
        ordered: dict[Group, list[str]] = {}
        for item in session.items:
            if isinstance(item, WindowsItem):
                ordered.setdefault(item.group, []).append(item.inner_id)
                self._last[item.group] = item
        if not ordered:
            return
        capture = self._config.pluginmanager.getplugin("capturemanager")
        try:
            with capture.global_and_fixture_disabled():  # to show the lab's progress
                prefix = lay.lay(select(group.python.tag for group in ordered))
        except LabError as error:
            self._lab_error = f"no Windows lab: {error}"
            return
        together, one_by_one = ThreadPoolExecutor(self._jobs), ThreadPoolExecutor(1)
        self._pools = [together, one_by_one]
        crowd: list[Future[None]] = []
        for group, ids in sorted(ordered.items(), key=lambda item: _turn(item[0])):
            order = Order(self._config.rootpath, ids, self._arguments(), self._timeout())
            self._sessions[group] = run = Session(group.python, order)
            if group.alone:
                one_by_one.submit(self._linux_is_over.wait)
                one_by_one.submit(wait, crowd)
                one_by_one.submit(run.run, prefix)
            else:
                crowd.append(together.submit(run.run, prefix))

    def _timeout(self) -> float:
        seconds: float = self._config.getoption("--windows-timeout")
        return seconds

    def _arguments(self) -> list[str]:
        """What the inner pytest takes over of the outer one's options."""
        options = ["-p", "no:cacheprovider", "--import-mode=append"]
        for setting in ("addopts=", "pythonpath=", f"faulthandler_timeout={self._timeout() * 0.8}"):
            options += ["-o", setting]
        if self._config.inipath:
            options += ["-c", places.windows_path(self._config.inipath)]
        options.append(f"--tb={self._config.getoption('tbstyle')}")
        if self._config.getoption("showlocals"):
            options.append("--showlocals")
        for warning in self._config.getoption("pythonwarnings") or ():
            options += ["-W", warning]
        return options
