"""Advice on Windows names the launcher py.exe, which gives Python a path that nobody typed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def called_as(folder: Path, **variables: str) -> str:
    """How the help of ``python -m tribler_udp_fix`` calls it, with *folder* first on PATH."""
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if name.upper() != "PATH"}
    result = subprocess.run(
        [sys.executable, "-m", "tribler_udp_fix", "doctor", "--help"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=str(folder),
        env={**kept, "PATH": path, **variables},
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    (line,) = [line for line in result.stdout.splitlines() if "doctor --json" in line]
    return line.strip().partition(" doctor")[0]


def test_advice_names_py_where_there_is_one_and_it_starts_this_python(tmp_path: Path) -> None:
    shutil.copy(sys.executable, tmp_path / "py.exe")  # is only looked for
    private = (
        list(Path(sys.executable).parent.glob("python*._pth")) or sys.prefix != sys.base_prefix
    )
    expected = {"py"} if not private else {sys.executable, f'"{sys.executable}"', "python"}
    assert called_as(tmp_path) in {f"{python} -m tribler_udp_fix" for python in expected}
    python = called_as(tmp_path, VIRTUAL_ENV=sys.prefix).partition(" -m")[0]
    assert (python == "py") is not any(Path(sys.executable).parent.glob("python*._pth"))
