"""The lab's command line, as the tests call it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from .winlab import places

COMMAND = [sys.executable, "-m", "tests.winlab"]


def winlab(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the lab's command line, after whatever it has to lay."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(
        [*options.pop("before", ()), *COMMAND, *arguments],
        cwd=places.ROOT,
        timeout=300,
        text=True,
        check=False,
        stdout=options.pop("stdout", subprocess.PIPE),
        stderr=options.pop("stderr", subprocess.PIPE),
        **options,
    )


def python312(code: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run code in Windows Python 3.12."""
    return winlab("run", "3.12", "-c", code, *arguments, **options)


def processes(mark: str) -> list[str]:
    """The command lines of this machine's processes that have this word in them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # gone meanwhile
            if mark in (command := file.read_text(errors="replace")):
                found.append(command)
    return found
