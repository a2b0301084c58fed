"""Advice is in the form in which the command line was called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = "doctor --json"

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no shebang and no link")


def called_as(command: list[str], folder: str) -> str:
    """The example of ``doctor`` in the help that *command* prints, with *folder* first on PATH."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ["PATH"] = os.pathsep.join([folder, environ["PATH"]])
    result = subprocess.run(
        [*command, "--help"],
        env=environ,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    (line,) = [line for line in result.stdout.splitlines() if EXAMPLE in line]
    return line.strip().partition(f" {EXAMPLE}")[0]


def test_the_installed_command_is_named(tmp_path: Path) -> None:
    script = tmp_path / "tribler-udp-fix"
    script.write_text("from tribler_udp_fix.cli import main\nmain()\n")
    assert called_as([sys.executable, str(script)], "") == "tribler-udp-fix"


def test_the_module_is_named_with_its_python() -> None:
    folder, name = os.path.split(sys.executable)
    called = called_as([sys.executable, "-m", "tribler_udp_fix"], folder)
    stem = name[:-4] if name.endswith(".exe") else name
    assert called in {f"{python} -m tribler_udp_fix" for python in (stem, "py")}


@on_posix
def test_a_python_that_is_not_on_the_path_is_named_by_its_own(tmp_path: Path) -> None:
    link = tmp_path / "my python"
    link.symlink_to(sys.executable)
    called = called_as([str(link), "-m", "tribler_udp_fix"], "")
    assert called == f"'{link}' -m tribler_udp_fix"
    assert called_as([str(link), "-m", "tribler_udp_fix"], str(tmp_path)) == (
        "'my python' -m tribler_udp_fix"
    )
