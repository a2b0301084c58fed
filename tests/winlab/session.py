"""One pytest session inside another Python, and the reports that come out of it."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Protocol, Sequence

from . import places, process

CHUNK = 1 << 16
TAIL = 4000  # bytes of stderr shown with a failure
TICK = 0.5  # seconds between looks at whether the Windows Python is still there
GRACE = 20.0  # seconds that it may take to leave after its last report


class Order(NamedTuple):
    """What a session is to run."""

    root: Path
    ids: Sequence[str]
    arguments: Sequence[str | Path]
    timeout: float

    def as_json(self, named: Callable[[Path], str]) -> bytes:
        """The order as inner.py reads it, with each file as its Python names it."""
        files = dict.fromkeys(nodeid.partition("::")[0] for nodeid in self.ids)
        arguments = ("--rootdir", self.root, *self.arguments)
        order = {
            "root": named(self.root),
            "ids": list(self.ids),
            "files": [named(self.root / file) for file in files],
            "arguments": [named(a) if isinstance(a, Path) else a for a in arguments],
        }
        return json.dumps(order).encode()


class Host(Protocol):
    """A Python that can run a session."""

    def path(self, path: Path) -> str:
        """Name a file of this machine as it does."""

    def start(
        self, arguments: Sequence[str], *, stdin: int, env: Mapping[str, str], cwd: Path
    ) -> subprocess.Popen[bytes]:
        """Start it, with pipes for stdout and stderr, in a process group of its own."""


class Outcome(NamedTuple):
    """What became of one test: its serialised reports, or why there are none."""

    reports: list[dict[str, Any]]
    trouble: str | None
    output: str


class Session:
    """Runs in a thread of its own; others wait for the outcome of single tests.

    Its *host* is the Python that runs the tests.
    """

    def __init__(self, host: Host, order: Order) -> None:
        self._host = host
        self._collected: frozenset[str] = frozenset()
        self._pytest = ""
        self._order = order
        self._changed = threading.Condition()
        self._reports: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._finished: set[str] = set()
        self._uncollected: dict[str, str] = {}
        self._running: str | None = None
        self._ended = False
        self._end: str | None = None  # what it died of
        self._status: int | None = None  # of its pytest, when its tests were done
        self._stderr = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def outcome(self, nodeid: str) -> Outcome:
        """Wait until the test has finished, or never will."""
        with self._changed:
            self._changed.wait_for(lambda: nodeid in self._finished or self._ended)
            if nodeid in self._finished:
                return Outcome(self._reports[nodeid], None, "")
            output = self._stderr[-TAIL:].decode(errors="replace")
            return Outcome(self._reports[nodeid], self._trouble(nodeid), output)

    def unknown(self, known: set[str]) -> list[str]:
        """The tests that the Windows Python alone has: outside nobody knows them, so none ran."""
        with self._changed:
            return sorted(self._collected - known)

    def farewell(self) -> Outcome:
        """Wait until the Windows Python has left; its trouble is what happened after its tests."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended)
            left_badly = self._end if self._status is not None else None
            return Outcome([], left_badly, self._stderr[-TAIL:].decode(errors="replace"))

    def stop(self) -> None:
        """End the session, whatever it is doing."""
        with self._changed:
            self._stopped = True
            if self._process:
                process.kill(self._process)

    def run(self) -> None:
        """Run the session to its end. Never raises: what went wrong is in the outcomes."""
        try:
            self._run()
        except Exception as error:  # a thread's: it becomes the outcome of every test
            self._finish(f"the bridge failed: {error!r}")
        else:
            self._finish(None)

    def _run(self) -> None:
        work = places.LAB / "work"
        work.mkdir(exist_ok=True)
        with self._changed:
            if self._stopped:
                return
            self._process = running = self._host.start(
                [self._host.path(places.SOURCES / "inner.py")],
                stdin=subprocess.PIPE,
                env=os.environ,
                cwd=work,
            )
        assert running.stdin
        try:
            running.stdin.write(self._order.as_json(self._host.path))
            running.stdin.close()
        except BrokenPipeError:
            pass  # it died early: its exit status says more
        try:
            self._end = self._follow(running)
        finally:
            process.kill(running, left_behind=True)
            for pipe in (running.stdout, running.stderr):
                if pipe:
                    pipe.close()

    def _follow(self, running: subprocess.Popen[bytes]) -> str | None:
        """Take in what the Windows Python says; what comes back is what it died of."""
        assert running.stdout
        assert running.stderr
        buffer = b""
        last = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(running.stdout, selectors.EVENT_READ)
            selector.register(running.stderr, selectors.EVENT_READ)
            while selector.get_map() and self._status is None:
                gone = running.poll() is not None
                events = selector.select(0 if gone else TICK)
                if gone and not events:
                    break  # what it left behind may hold the pipes open
                for key, _ in events:
                    data = os.read(key.fd, CHUNK)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is running.stderr:
                        self._stderr = (self._stderr + data)[-4 * TAIL :]
                    else:
                        last = time.monotonic()
                        *lines, buffer = (buffer + data).split(b"\n")
                        for line in lines:
                            self._take(json.loads(line))
                if time.monotonic() - last > self._order.timeout:
                    return f"{self._host} hung: nothing for {self._order.timeout:g} s"
        try:
            status = running.wait(GRACE)
        except subprocess.TimeoutExpired:
            return f"{self._host} did not leave in {GRACE:g} s"
        if status != self._status:
            return f"{self._host} crashed: exit status {status}"
        return None

    def _take(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "collected" in message:
                self._collected = frozenset(message["collected"])
                self._pytest = message["pytest"]
            elif "failed_to_collect" in message:
                self._uncollected[message["failed_to_collect"]] = message["why"]
            elif "started" in message:
                self._running = message["started"]
            elif "report" in message:
                self._reports[message["report"]["nodeid"]].append(message["report"])
            elif "finished" in message:
                self._running = None
                self._finished.add(message["finished"])
                self._changed.notify_all()
            elif "ended" in message:
                self._status = message["ended"]

    def _finish(self, trouble: str | None) -> None:
        with self._changed:
            self._end = trouble or self._end
            self._ended = True
            self._changed.notify_all()

    def _trouble(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file in self._uncollected:
            return f"{self._host} cannot import it:\n{self._uncollected[file]}"
        if self._end and self._running == nodeid:
            return f"{self._end}, in this test"
        if self._end and self._running:
            return f"not run: {self._end}, in {self._running}"
        if self._status is None:
            return f"not run: {self._end}"
        if not self._pytest:
            return f"not run: pytest in {self._host} ended with exit status {self._status}"
        return (
            f"not run: {self._host} collected no such test with its pytest "
            f"{self._pytest} (a parameter's id differs there, or this is another pytest)"
        )
