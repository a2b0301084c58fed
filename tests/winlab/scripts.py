"""Runs one script inside several Windows Pythons, two at a time."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Sequence

from . import lay, places, process
from .pythons import WindowsPython

Row = Dict[str, Any]


def rows(pythons: Sequence[WindowsPython], script: Path, *arguments: str) -> list[list[Row]]:
    """What the script prints in each Python: JSON, a line for each row.

    Raises CalledProcessError, with its stderr, where it fails.
    """
    prefix = lay.lay(pythons)
    command = [places.windows_path(script), *arguments]

    def run(python: WindowsPython) -> list[Row]:
        # Not in the checkout, whose package would be imported in place of the installed one.
        running = process.start(python, prefix, command, cwd=Path("/"))
        out, err = running.communicate()
        if running.returncode:
            told = err.decode(errors="replace")
            raise subprocess.CalledProcessError(running.returncode, f"{python}\n{told}", out, err)
        return [json.loads(line) for line in out.splitlines()]

    with ThreadPoolExecutor(2) as two:
        return list(two.map(run, pythons))
