"""``tribler-udp-fix demo`` on the Windows Python that runs it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest

from tribler_udp_fix._asyncio._upstream import has_fault

Shown = Tuple["subprocess.CompletedProcess[bytes]", Dict[str, Any], str]

SHORT = ["--peers", "60", "--seconds", "1.5"]


def demo(*options: str, cwd: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run the demo in a child of this Python."""
    unset = ("TRIBLER_UDP_FIX", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    environ = {k: v for k, v in os.environ.items() if not k.upper().startswith(unset)}
    return subprocess.run(
        [sys.executable, "-m", "tribler_udp_fix", "demo", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=cwd,
        env={**environ, **variables},
        timeout=100,
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """One run, its result and the picture it drew."""
    folder = tmp_path_factory.mktemp("demo")
    run = demo("--json", "--plot", "heard.svg", *SHORT, cwd=str(folder))
    return run, json.loads(run.stdout), (folder / "heard.svg").read_text(encoding="utf-8")


def test_the_protected_service_hears_every_datagram(shown: Shown) -> None:
    run, result, _ = shown
    assert (run.returncode, result["ok"]) == (0, True), run.stderr.decode()
    protected = result["pythons"][0]["with"]
    assert protected["failure"] is None
    assert (protected["sent"], protected["heard"]) == (60, 60)
    assert protected["answered"] == protected["stayed"] > 0
    assert protected["errors"] > 0


def test_the_stock_service_falls_silent(shown: Shown) -> None:
    _, result, _ = shown
    stock = result["pythons"][0]["without"]
    assert stock["failure"] is None
    assert stock["sent"] == 60
    if has_fault("F2"):
        assert 15 <= stock["heard"] < 60
        assert stock["last_heard"] < 1.5


def test_the_result_and_the_picture_name_this_python(shown: Shown) -> None:
    _, result, picture = shown
    assert [entry["version"] for entry in result["pythons"]] == [platform.python_version()]
    assert f"Python {platform.python_version()}" in "".join(ET.fromstring(picture).itertext())


def test_progress_goes_to_stderr_when_nothing_can_be_drawn_over(shown: Shown) -> None:
    run, _, _ = shown
    assert f"Python {platform.python_version()}: ".encode() in run.stderr


def test_an_old_code_page_can_hold_the_table(tmp_path: Path) -> None:
    run = demo(*SHORT, cwd=str(tmp_path), PYTHONIOENCODING="cp437", PYTHONUTF8="0")
    text = run.stdout.decode("ascii")
    assert run.returncode == 0, text + run.stderr.decode(errors="replace")
    assert "60 of 60" in text
    assert max(map(len, text.splitlines())) <= 80


def test_another_python_cannot_be_asked_for(tmp_path: Path) -> None:
    run = demo("--python", "2.7", cwd=str(tmp_path))
    assert (run.returncode, run.stdout) == (2, b"")
    assert b"--python 2.7 is not allowed" in run.stderr
    assert platform.python_version().encode() in run.stderr
