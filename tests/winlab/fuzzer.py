"""Schemathesis, which asks a REST server for all that its OpenAPI description allows, and more."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from . import lock, places, venv

VERSION = "4.32.5"
# Not in the lab's environment: it brings a pytest of its own.
FOLDER = places.LAB / "schemathesis" / VERSION


def lay() -> None:
    """Fetch it where it is missing. Raises LabError."""
    with lock.held(places.LAB / "lock"):
        if FOLDER.exists():
            return
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER.parent) as scratch:
            new = Path(scratch, "new")
            venv.pip("install", "--target", new, f"schemathesis=={VERSION}")
            new.rename(FOLDER)


def run(address: str, *options: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Let it ask the server at *address*, which describes itself under /docs, that long at most."""
    with tempfile.TemporaryDirectory() as scratch:  # where it leaves a report
        return subprocess.run(
            [
                venv.PYTHON,
                "-m",
                "schemathesis.cli",
                "run",
                f"{address}/docs/swagger.json",
                *options,
            ],
            env={**os.environ, "PYTHONPATH": str(FOLDER), "NO_COLOR": "1"},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )
