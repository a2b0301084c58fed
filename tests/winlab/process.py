"""A Windows Python's process: its environment, its streams, its end."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, Mapping, NamedTuple, Sequence

from . import places, program_tests, suite
from .places import windows_path
from .prefix import Prefix
from .pythons import WindowsPython
from .tools import WINE

# PYTHON* variables are the calling Python's affair, except those that ask for a behaviour.
PASSED = frozenset(
    {
        "PYTHONASYNCIODEBUG",
        "PYTHONDEVMODE",
        "PYTHONFAULTHANDLER",
        "PYTHONHASHSEED",
        "PYTHONIOENCODING",
        "PYTHONPATH",
        "PYTHONTRACEMALLOC",
        "PYTHONUTF8",
        "PYTHONWARNINGS",
    }
)
DROPPED = frozenset({"DISPLAY", "WAYLAND_DISPLAY", "LD_PRELOAD", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})

CHUNK = 1 << 16
TICK = 0.2  # seconds between looks at whether the program has ended


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """What of a Linux environment a Windows Python gets, and what the lab adds."""
    env = {
        name: value
        for name, value in base.items()
        if name not in DROPPED
        and not name.startswith(("WINE", "PIP_"))
        and (name in PASSED or not name.startswith("PYTHON"))
    }
    if "PYTHONPATH" in env:
        env["PYTHONPATH"] = _windows_search_path(env["PYTHONPATH"])
    env.setdefault("PYTHONIOENCODING", "utf-8")  # a pipe would get the Windows code page
    # Off the checkout, whose files belong to the machine's own Pythons.
    env["PYTHONPYCACHEPREFIX"] = "C:\\pycache"
    env["PYTHONUNBUFFERED"] = "1"
    env["WINLAB"] = "1"
    return env


def start(
    python: WindowsPython,
    prefix: Prefix,
    arguments: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a Windows Python with pipes for stdout and stderr, in a process group of its own.

    It dies with the thread that started it.
    """
    values = environment(os.environ if env is None else env)
    if suite.has_tests(python):
        values[suite.VARIABLE] = windows_path(suite.folder(python.minor))
    if program_tests.has_tests(python):
        values[program_tests.VARIABLE] = windows_path(program_tests.FOLDER)
    command = ["setpriv", "--pdeathsig", "KILL", str(WINE), str(python.executable), *arguments]
    return subprocess.Popen(
        prefix.namespace.command(*command),
        env={**values, **prefix.environment},
        cwd=cwd,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


class Windows(NamedTuple):
    """A Windows Python as the host of tests."""

    python: WindowsPython
    prefix: Prefix

    def __str__(self) -> str:
        return str(self.python)

    def path(self, path: Path) -> str:
        """Name a file of this machine as it does."""
        return windows_path(path)

    def start(
        self, arguments: Sequence[str], *, stdin: int, env: Mapping[str, str], cwd: Path
    ) -> subprocess.Popen[bytes]:
        """Start it, as `start` does, to find the installed project and not the checkout's."""
        env = {name: value for name, value in env.items() if name != "PYTHONPATH"}
        return start(self.python, self.prefix, arguments, stdin=stdin, env=env, cwd=cwd)


class Beside:
    """This very Python once more, as the host of tests that have a Wine of their own."""

    def __str__(self) -> str:
        return "the Python beside"

    def path(self, path: Path) -> str:
        """Name a file of this machine as it does."""
        return str(path)

    def start(
        self, arguments: Sequence[str], *, stdin: int, env: Mapping[str, str], cwd: Path
    ) -> subprocess.Popen[bytes]:
        """Start it, as `start` does."""
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, *arguments],
            env={**env, places.APART: "1"},
            cwd=cwd,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes], *, left_behind: bool = False) -> None:
    """Kill a Windows Python and the programs that it started, also those that it left behind."""
    if sys.platform != "win32" and (process.poll() is None or left_behind):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run(python: WindowsPython, prefix: Prefix, arguments: Sequence[str]) -> int:
    """Run a Windows Python on this process's own streams and give back its exit status.

    Windows Pythons die of "Invalid handle" where a stream is a plain file, so each goes through a
    pipe. An interrupt kills the Windows Python.
    """
    process = start(python, prefix, arguments, stdin=subprocess.PIPE)
    ended = threading.Event()
    streams = ((process.stdout, 1, ended), (process.stderr, 2, ended))
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_feed, args=(process.stdin,), daemon=True).start()
    pumps = [threading.Thread(target=_pump, args=stream, daemon=True) for stream in streams]
    for pump in pumps:
        pump.start()
    try:
        status = process.wait()
        ended.set()
        for pump in pumps:
            pump.join()
    except KeyboardInterrupt:
        kill(process)
        return 130
    return status if status >= 0 else 128 - status


def _feed(target: IO[bytes]) -> None:
    try:
        with suppress(OSError):  # no stdin here, or nobody reads there
            while data := os.read(0, CHUNK):
                target.write(data)
                target.flush()
    finally:
        with suppress(OSError):
            target.close()


def _pump(source: IO[bytes], target: int, ended: threading.Event) -> None:
    # When nobody reads any more, as after `| head`, closing hands the broken pipe on.
    with source, suppress(OSError):
        while True:
            if not select.select([source], [], [], TICK)[0]:
                if ended.is_set():
                    return  # a program that was left behind holds the pipe open
                continue
            data = os.read(source.fileno(), CHUNK)
            if not data:
                return
            while data:
                data = data[os.write(target, data) :]


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _windows_search_path(value: str) -> str:
    if ";" in value or "\\" in value:
        return value
    parts = value.split(":")
    return ";".join(windows_path(Path(part)) if part.startswith("/") else part for part in parts)
