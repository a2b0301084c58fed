"""A machine whose network changes while a test runs: a namespace, and a Python in it.

That is one of Linux, or one of Windows in the lab, which asks tests/windows/machine.py to change
what it cannot.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Dict, Iterator, Mapping, Sequence

from . import lay, places, process
from .errors import LabError
from .network import Namespace
from .prefix import Prefix
from .pythons import WindowsPython
from .venv import PYTHON

SCRIPTS = places.ROOT / "tests" / "windows"
# What the startup hook does; the plugin need not be installed into the lab's environment.
INSTALL = """
import os, runpy, sys
from tribler_udp_fix import Settings, install
install(Settings.from_environ(os.environ))
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
PATIENCE = 600.0  # seconds for each script

Outcome = Dict[str, Any]


class Machine:
    """One whose Python runs scripts."""

    def seen(
        self,
        script: Path,
        *arguments: str,
        plugin: bool,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Outcome:
        """What the script prints there as JSON; raises LabError where it fails.

        *settings* are the plugin's, as in the environment, without the prefix.
        """
        path = self.path(script)
        begin = ["-c", INSTALL, path] if plugin else [path]
        status, out, err = self.run([*begin, *arguments], environ(settings))
        if status:
            raise LabError(f"{' '.join(arguments)} failed:\n{err.decode(errors='replace')[-2000:]}")
        outcome: Outcome = json.loads(out)
        return outcome

    def path(self, script: Path) -> str:
        """The script's, as that Python sees it."""
        return str(script)

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """Run Python with these arguments: its exit status, stdout and stderr."""
        raise NotImplementedError


class LinuxMachine(Machine):
    """One on which *python*, a command, runs."""

    def __init__(self, namespace: Namespace, python: Sequence[str | Path] = (PYTHON,)) -> None:
        self._namespace = namespace
        self._python = python

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """As every machine."""
        done = subprocess.run(
            self._namespace.command(*self._python, *words),
            env={**env, "PYTHONPATH": str(places.ROOT)},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


class WindowsMachine(Machine):
    """One on which a Windows *python* runs; *port* is where it asks for changes."""

    def __init__(self, prefix: Prefix, python: WindowsPython, port: str) -> None:
        self._prefix = prefix
        self._python = python
        self._port = port

    def path(self, script: Path) -> str:
        """As every machine."""
        return places.windows_path(script)

    def run(self, words: Sequence[str], env: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """As every machine; not in the checkout, whose package would be imported."""
        env = {**env, "MACHINE": self._port}
        running = process.start(self._python, self._prefix, words, env=env, cwd=Path("/"))
        try:
            out, err = running.communicate(timeout=PATIENCE)
        finally:
            process.kill(running)
        return running.returncode, out, err


@contextmanager
def windows_machine(namespace: Namespace, python: WindowsPython) -> Iterator[WindowsMachine]:
    """A machine on that network, with a Wine of its own."""
    prefix = Prefix(namespace, lay.lay([python]).shim)
    command = namespace.command(PYTHON, SCRIPTS / "machine.py")
    changes = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with changes:
        assert changes.stdout is not None
        try:
            port = changes.stdout.readline().strip()
            prefix.start()
            yield WindowsMachine(prefix, python, port)
        finally:
            prefix.stop()
            changes.kill()


def environ(settings: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """This process's environment, with these settings of the plugin's and no others."""
    others = {key: value for key, value in os.environ.items() if "TRIBLER_UDP_FIX" not in key}
    return {**others, **{f"TRIBLER_UDP_FIX_{key}": value for key, value in settings.items()}}
