"""``tribler-udp-fix doctor`` in a Windows Python, stock and opted in by the variable alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tribler_udp_fix._asyncio._upstream import has_fault
from tribler_udp_fix._faults import FAULTS


def doctor(
    *options: str, plugin: bool, cwd: Path, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the doctor in a child of this Python."""
    unset = ("TRIBLER_UDP_FIX", "NO_COLOR", "FORCE_COLOR", "COLUMNS")
    environ = {k: v for k, v in os.environ.items() if not k.upper().startswith(unset)}
    environ.update(variables)
    if plugin:
        environ["TRIBLER_UDP_FIX"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "tribler_udp_fix", "doctor", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=str(cwd),
        env=environ,
        timeout=60,
    )


def exposed_to() -> list[str]:
    """The faults that this very CPython has, by its code."""
    return [fault for fault in FAULTS if has_fault(fault)]


def test_a_stock_python_is_exposed_to_the_faults_that_its_code_has(tmp_path: Path) -> None:
    start = time.monotonic()
    result = doctor("--json", plugin=False, cwd=tmp_path)
    seconds = time.monotonic() - start
    report = json.loads(result.stdout)
    suffers = [trial["fault"] for trial in report["trials"] if trial["verdict"] == "suffers"]
    assert suffers == exposed_to()
    assert (result.returncode, report["exit_status"], report["verdict"]) == (1, 1, "exposed")
    assert {trial["repair"] for trial in report["trials"]} == {"off"}
    assert report["variables"] == {}
    assert seconds < 10


def test_the_variable_alone_makes_it_healthy(tmp_path: Path) -> None:
    result = doctor("--json", plugin=True, cwd=tmp_path)
    report = json.loads(result.stdout)
    assert [trial for trial in report["trials"] if trial["verdict"] == "suffers"] == []
    assert (result.returncode, report["exit_status"], report["verdict"]) == (0, 0, "healthy")
    applied = [trial["fault"] for trial in report["trials"] if trial["repair"] == "applied"]
    assert set(exposed_to()) <= set(applied)
    assert report["variables"] == {"TRIBLER_UDP_FIX": "1"}
    assert report["pth_installed"] is True


def test_with_plugin_shows_what_the_plugin_would_do(tmp_path: Path) -> None:
    result = doctor("--json", "--with-plugin", plugin=False, cwd=tmp_path)
    assert (result.returncode, json.loads(result.stdout)["verdict"]) == (0, "healthy")


def test_the_json_names_the_windows_and_the_event_loop(tmp_path: Path) -> None:
    report = json.loads(doctor("--json", plugin=False, cwd=tmp_path).stdout)
    assert report["system"].startswith("Windows ")
    assert ("Wine" in report["system"]) == (os.environ.get("WINLAB") == "1")
    assert report["event_loop"] == "ProactorEventLoop"
    assert report["wrapt"]


@pytest.mark.parametrize(
    ("encoding", "plugin"), [("utf-8", False), ("cp437", True), ("cp1252", True)]
)
def test_a_pipe_gets_plain_lines_of_80_columns(plugin: bool, encoding: str, tmp_path: Path) -> None:
    result = doctor(plugin=plugin, cwd=tmp_path, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    text = result.stdout.decode(encoding)
    assert result.stderr == b""
    assert "\x1b" not in text
    *lines, advice = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert text.isascii() or encoding == "utf-8"
    for fault in FAULTS:
        assert f"{fault} " in text
    assert ("healthy: none of the faults was seen" if plugin else "exposed: ") in text
    assert advice.endswith(" -m tribler_udp_fix doctor --json")  # to copy: in one line
