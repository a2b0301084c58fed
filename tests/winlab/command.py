"""Other programs that the lab calls, with a time-out and a one-line error."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Mapping, Sequence

from .errors import LabError


def run(
    what: str,
    command: Sequence[str | Path],
    *,
    timeout: float = 600,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command and give its output back; LabError says what failed, with its last line.

    `timeout` is in seconds.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise LabError(f"{what} failed: there is no {command[0]} here") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{what} failed: not done after {timeout:.0f} s") from None
    if done.returncode:
        raise LabError(f"{what} failed: {_last_words(done.stderr or done.stdout, done.returncode)}")
    return done.stdout


def _last_words(output: str, status: int) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for mark in ("error:", "ERROR:", "Error:", "E:"):
        for line in lines:
            if mark in line and "Ignored the following" not in line:
                return line
    return lines[-1] if lines else f"exit status {status}"
