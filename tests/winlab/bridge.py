"""A pytest plugin for Linux: each test in tests/windows is one item for each Windows Python.

One pytest inside each Windows Python runs them (session.py, inner.py), and each item gives the
report of its own test. A test that is never reported, because the Python crashed, hung or ran no
such test, has failed. Linux' own tests that are marked "apart" run likewise, in another pytest.
"""

from __future__ import annotations

import threading
import zlib
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Generator, Iterable, Literal, NamedTuple, Sequence

import pytest
from _pytest.runner import runtestprotocol

from . import again, lay, quick
from .errors import LabError
from .prefix import Prefix
from .process import Beside, Windows
from .pythons import WindowsPython, allowed, select
from .session import Order, Session

When = Literal["setup", "call", "teardown"]

AT_ONCE = 4  # more than there are cores: most tests wait most of their time
# What need not be shown on every Python is shown on these: they begin first, as the longest.
LONGEST = ("3.12", "3.13", "3.10", "3.8")
# Too much for one session: these have two, which share its files.
PARTED = ("3.12",)
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
    group.addoption(
        "--second-chances",
        type=int,
        default=0,
        metavar="N",
        help="run so many tests, if they fail, once more, by themselves (default: %(default)s)",
    )


class Group(NamedTuple):
    """The items of one session: of one Python, and with the machine to themselves or not."""

    alone: bool
    python: WindowsPython | None  # None: Linux' Python beside
    part: int = 0


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
        alone = self.get_closest_marker("alone") is not None
        if alone or self.python.minor not in PARTED:
            return Group(alone, self.python)
        return Group(alone, self.python, zlib.crc32(self.path.name.encode()) % 2)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        path, line, _ = self.info
        return path, line, self.name

    def runtest(self) -> None:
        raise AssertionError("the bridge runs it")


def _report(item: pytest.Item, data: dict[str, Any]) -> pytest.TestReport:
    """Make the item's report of what another Python reported."""
    report: pytest.TestReport = item.config.hook.pytest_report_from_serializable(
        config=item.config, data=data
    )
    report.nodeid, report.location = item.nodeid, item.location
    if isinstance(report.longrepr, list):  # a skip's, a list since it was JSON
        report.longrepr = tuple(report.longrepr)
    return report


def _failure(item: pytest.Item, why: str, output: str, when: When) -> pytest.TestReport:
    """Make a report of what went wrong around the test: an error unless *when* is "call"."""
    sections = [("stderr", output)] if output else []
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", why, when, sections)


def _turn(group: Group) -> tuple[bool, int]:
    """When it begins: that none is left to run when all others are through."""
    minor = group.python.minor if group.python else None
    return group.alone, LONGEST.index(minor) if minor in LONGEST else len(LONGEST)


class Bridge:
    """The plugin, for the tests in one folder."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._pools: list[ThreadPoolExecutor] = []
        self._prefix: Prefix | None = None
        self._groups: dict[pytest.Item, Group] = {}
        self._sessions: dict[Group, Session] = {}
        self._known: set[str] = set()
        self._last: dict[Group, pytest.Item] = {}
        # An argument like file.py::Class keeps the rest of the file from being collected here.
        self._whole = not any("::" in argument for argument in config.args)
        self._lab_error: str | None = None
        self._linux_is_over = threading.Event()
        self._jobs: int = config.getoption("--windows-jobs")
        chances: int = config.getoption("--second-chances")
        for option, value, least in (
            ("--windows-jobs", self._jobs, 1),
            ("--second-chances", chances, 0),
        ):
            if value < least:
                raise pytest.UsageError(f"{option}: {value} is less than {least}")
        at_once = config.getoption("maxfail") or config.getoption("usepdb")
        self._chances = again.SecondChances(0 if at_once else chances)
        config.pluginmanager.register(self._chances, "winlab-second-chances")
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
        # Linux' own first; then session by session, those that want the machine to themselves last.
        def place(item: pytest.Item) -> tuple[bool, int, int]:
            if not isinstance(item, WindowsItem):
                return False, -1, 0
            alone, _, part = item.group
            return alone, self._pythons.index(item.python), part

        items.sort(key=lambda item: (place(item), _is_apart(item)))

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        self._start(item.session)
        if isinstance(item, WindowsItem):
            self._linux_is_over.set()
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        if item in self._groups:
            reports, sound = self._reports(item)
        else:
            reports, sound = runtestprotocol(item, log=False, nextitem=nextitem), True
        if sound:
            self._chances.takes(item, reports)
        again.log(item, reports)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if nextitem is None:
            self._chances.run(self._again)
        return True

    def pytest_sessionfinish(self) -> None:
        self._linux_is_over.set()
        for session in self._sessions.values():
            session.stop()
        for pool in self._pools:
            pool.shutdown()

    def _reports(self, item: pytest.Item) -> tuple[list[pytest.TestReport], bool]:
        """What became of an item in its session, and whether the session was sound meanwhile."""
        if self._lab_error:
            return [_failure(item, self._lab_error, "", "setup")], False
        group = self._groups[item]
        reports, sound = _outcome(item, self._sessions[group])
        if item is self._last[group]:
            last = list(self._last_reports(item, self._sessions[group]))
            return [*reports, *last], sound and not last
        return reports, sound

    def _last_reports(self, item: pytest.Item, session: Session) -> Iterable[pytest.TestReport]:
        """What was wrong with a whole session: errors of its last item."""
        if (
            isinstance(item, WindowsItem)
            and self._whole
            and (unknown := session.unknown(self._known))
        ):
            why = f"{item.python} has tests that Linux does not collect, so that none runs: "
            yield _failure(item, why + ", ".join(unknown), "", "teardown")
        farewell = session.farewell()
        if farewell.trouble:
            why = f"after its tests, {farewell.trouble}"
            yield _failure(item, why, farewell.output, "teardown")

    def _again(self, items: Sequence[pytest.Item]) -> Iterable[Sequence[pytest.TestReport]]:
        """Run items by themselves, when all others are through."""
        for item in items:
            if isinstance(item, WindowsItem):
                session = self._session(item.python, [item.inner_id])
                session.run()
                yield _outcome(item, session)[0]
            else:
                if isinstance(item, pytest.Function):
                    item._initrequest()
                yield runtestprotocol(item, log=False, nextitem=None)

    def _start(self, session: pytest.Session) -> None:
        """Lay the lab and order every selected test, the first time."""
        if self._pools or self._lab_error:
            return
        ordered: dict[Group, list[str]] = {}
        pythons = {item.python for item in session.items if isinstance(item, WindowsItem)}
        if not pythons:
            return
        for item in session.items:
            if isinstance(item, WindowsItem):
                group, nodeid = item.group, item.inner_id
            elif _is_apart(item):
                group, nodeid = Group(False, None), item.nodeid
            else:
                continue
            self._groups[item] = group
            self._last[group] = item
            ordered.setdefault(group, []).append(nodeid)
        capture = self._config.pluginmanager.getplugin("capturemanager")
        try:
            with capture.global_and_fixture_disabled():  # to show the lab's progress
                self._prefix = lay.lay(select(python.tag for python in pythons))
        except LabError as error:
            self._lab_error = f"no Windows lab: {error}"
            return
        together, beside, one_by_one = map(ThreadPoolExecutor, (self._jobs, 1, 1))
        self._pools = [together, beside, one_by_one]
        crowd: list[Future[None]] = []
        for group, ids in sorted(ordered.items(), key=lambda item: _turn(item[0])):
            self._sessions[group] = run = self._session(group.python, ids)
            if group.alone:
                one_by_one.submit(self._linux_is_over.wait)
                one_by_one.submit(wait, crowd)
                one_by_one.submit(run.run)
            else:
                crowd.append((together if group.python else beside).submit(run.run))

    def _session(self, python: WindowsPython | None, ids: Sequence[str]) -> Session:
        root, timeout = self._config.rootpath, self._timeout()
        if python is None:
            return Session(Beside(), Order(root, ids, self._arguments(), timeout))
        assert self._prefix
        # The installed project, and not the checkout's.
        arguments = ("--import-mode=append", "-o", "pythonpath=", *self._arguments())
        return Session(Windows(python, self._prefix), Order(root, ids, arguments, timeout))

    def _timeout(self) -> float:
        seconds: float = self._config.getoption("--windows-timeout")
        return seconds

    def _arguments(self) -> list[str | Path]:
        """What the inner pytest takes over of the outer one's options."""
        options: list[str | Path] = ["-p", "no:cacheprovider"]
        for setting in ("addopts=", f"faulthandler_timeout={self._timeout() * 0.8}"):
            options += ["-o", setting]
        if self._config.inipath:
            options += ["-c", self._config.inipath]
        options.append(f"--tb={self._config.getoption('tbstyle')}")
        if self._config.getoption("showlocals"):
            options.append("--showlocals")
        for warning in self._config.getoption("pythonwarnings") or ():
            options += ["-W", warning]
        return options


def _is_apart(item: pytest.Item) -> bool:
    return item.get_closest_marker("apart") is not None


def _outcome(item: pytest.Item, session: Session) -> tuple[list[pytest.TestReport], bool]:
    """What a session has reported of an item, and whether its Python lived to tell it all."""
    outcome = session.outcome(item.inner_id if isinstance(item, WindowsItem) else item.nodeid)
    reports = [_report(item, data) for data in outcome.reports]
    if outcome.trouble:
        reports.append(_failure(item, outcome.trouble, outcome.output, "call"))
    return reports, outcome.trouble is None
