"""Tries a side-car: whether it would start Tribler with the plugin on, without starting Tribler."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Sequence

from tribler_udp_fix._startup import _sidecar
from tribler_udp_fix._switch import SWITCH

SECONDS = 60  # until an answer; a launcher that failed may show a window, and wait


def answer_of(command: Sequence[str], folder: Path) -> str:
    """What the side-car in *folder* says, started by *command*: "works", or why not in words."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="probe-") as scratch:
        file = Path(scratch) / "answer.txt"
        try:
            done = subprocess.run(
                command,
                env={**os.environ, SWITCH: "1", _sidecar.PROBE: str(file)},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
            )
        except OSError as exc:
            return f"it does not start: {exc.strerror}"
        except subprocess.TimeoutExpired:
            return f"it did not answer in {SECONDS} s"
        try:
            return file.read_text(encoding="utf-8")
        except OSError:
            return f"it does not read the side-car's modules (exit status {done.returncode})"
