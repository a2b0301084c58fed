"""The event loops that are compared, as processes of a Windows Python of the lab."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from tests.winlab import packages, places, process, venv
from tests.winlab.prefix import Prefix
from tests.winlab.pythons import WindowsPython

HERE = Path(__file__).resolve().parent
SUBJECT, PEER = HERE / "subject.py", HERE / "peer.py"
WINLOOP = HERE / "winloop.txt"
NO_WINLOOP = ("3.8",)


class Contender(NamedTuple):
    """One event loop: how it is named, the loop's kind, and what switches it on."""

    name: str
    loop: str
    variables: dict[str, str]


PLUGIN = Contender("plugin", "proactor", {"TRIBLER_UDP_FIX": "1"})
STOCK = Contender("stock Proactor", "proactor", {})
SELECTOR = Contender("SelectorEventLoop", "selector", {})
WINLOOP_LOOP = Contender("winloop", "winloop", {})
# No loop at all, only recvfrom() and sendto(): what no loop of Python's can beat.
FLOOR = Contender("no loop", "none", {})


def contenders(python: WindowsPython, *, floor: bool = False) -> tuple[Contender, ...]:
    """Return those that this Python has, the plugin first; with the *floor*, no loop last."""
    winloop = () if python.minor in NO_WINLOOP else (WINLOOP_LOOP,)
    return (PLUGIN, STOCK, SELECTOR, *winloop, *((FLOOR,) if floor else ()))


class Child:
    """A process that answers each line of JSON on its stdin with one on its stdout."""

    def __init__(self, running: subprocess.Popen[bytes]) -> None:
        self._process = running

    @property
    def pid(self) -> int:
        """Its process id on this machine."""
        return self._process.pid

    def tell(self, do: str, **arguments: Any) -> None:
        """Give it a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Wait for its next answer; raises SystemExit, with its stderr, when it has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, stderr = self._process.communicate()
            raise SystemExit(f"a measurement ended early:\n{stderr.decode(errors='replace')}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give it a command, and wait for the answer."""
        self.tell(do, **arguments)
        return self.hear()

    def processor_seconds(self) -> float:
        """Return the processor time that its threads have had, and its exited ones had not."""
        return processor_seconds(self.pid)

    def end(self) -> None:
        """End it."""
        process.kill(self._process)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def start_subject(
    python: WindowsPython, prefix: Prefix, contender: Contender, **variables: str
) -> Child:
    """Start a Windows Python with that event loop."""
    environ = {name: value for name, value in os.environ.items() if "TRIBLER_UDP_FIX" not in name}
    environ.update(contender.variables)
    if "TRIBLER_UDP_FIX" in contender.variables:
        environ.update(variables)
    if contender.loop == "winloop":
        environ["PYTHONPATH"] = str(_winloop(python))
    arguments = [places.windows_path(SUBJECT), contender.loop]
    child = Child(
        process.start(python, prefix, arguments, stdin=subprocess.PIPE, env=environ, cwd=HERE)
    )
    child.hear()
    return child


def start_peer(prefix: Prefix) -> Child:
    """Start the other end, with this machine's Python, in the lab's network."""
    return Child(
        subprocess.Popen(
            prefix.namespace.command(sys.executable, str(PEER)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    )


def processor_seconds(pid: int) -> float:
    """Return the processor time of the live threads of a process."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


@contextlib.contextmanager
def on_one_core(*pids: int) -> Iterator[None]:
    """Keep these processes on one core, and those that they start meanwhile; 0 is this one."""
    if sys.platform != "linux":
        raise SystemExit("the lab is Linux's")
    had = {pid: os.sched_getaffinity(pid) for pid in pids}
    core = max(os.sched_getaffinity(0))
    try:
        for pid in pids:
            os.sched_setaffinity(pid, {core})
        yield
    finally:
        for pid, cores in had.items():
            os.sched_setaffinity(pid, cores)


def wineserver(prefix: Prefix) -> int:
    """Return the process id of the prefix's wineserver, which makes every system call of Wine's."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            executable = os.readlink(folder / "exe")
            environ = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if "wineserver" in executable and f"WINEPREFIX={prefix.folder}".encode() in environ:
            return int(folder.name)
    raise SystemExit("no wineserver runs")


def _winloop(python: WindowsPython) -> Path:
    """Install winloop for this Python, apart from its other packages; return where."""
    folder = places.LAB / "benchmarks" / python.tag
    stamp, recipe = folder / "stamp", places.digest(WINLOOP.read_bytes())
    if not (stamp.exists() and stamp.read_text() == recipe):
        shutil.rmtree(folder, ignore_errors=True)
        options = ("--no-compile", "--require-hashes", "--target", folder)
        venv.pip("install", *packages.machine(python), *options, "--requirement", WINLOOP)
        stamp.write_text(recipe)
    return folder
