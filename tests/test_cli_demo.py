"""``tribler-udp-fix demo`` where there is no Proactor: its children, its picture, its end."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import tribler_udp_fix
from tribler_udp_fix.cli import demo, plot
from tribler_udp_fix.cli.children import Child
from tribler_udp_fix.cli.pair import Pair, Target

ROOT = Path(__file__).resolve().parent.parent
SVG = "{http://www.w3.org/2000/svg}"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="tests/windows/test_demo.py runs the whole demo there"
)


def wait(child: Child) -> None:
    """Wait for a child as the demo does."""
    while child.running():
        time.sleep(0.05)


def failure(child: Child | None) -> str:
    """Why the child failed."""
    assert child is not None
    assert child.failure is not None
    return child.failure


def start(code: str, protected: bool = False) -> Child:
    """A child that runs the code instead of the service."""
    return Child([sys.executable, "-c", code], protected, 1.0, os.environ, ROOT)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """Two real runs of the service on this machine's own event loop, which needs no plugin."""
    command = [sys.executable, *demo.SERVICE]
    found = [Pair(Target(version, command, ROOT)) for version in ("3.12.9", "<3&13>")]
    arguments = argparse.Namespace(peers=24, seconds=1.0, jobs=2)
    demo.run_pairs(found, arguments, lambda: None)
    return found


def test_the_service_hears_every_datagram_and_answers_every_peer_that_stays(
    pairs: list[Pair],
) -> None:
    for pair in pairs:
        child = pair.without
        assert child is not None
        assert child.failure is None
        assert (child.sent, child.heard) == (24, 24)
        assert child.answered == child.stayed == 15
        assert child.samples[-1].heard == 24


def test_a_run_that_should_have_had_the_plugin_and_had_not_is_no_success() -> None:
    # Without its site-packages' .pth files no variable switches it on.
    command = [sys.executable, "-S", *demo.SERVICE]
    pair = Pair(Target("without a hook", command, ROOT))
    demo.run_pairs([pair], argparse.Namespace(peers=4, seconds=1.0, jobs=2), lambda: None)
    assert "did not switch the plugin on" in failure(pair.protected)
    assert not pair.kept()
    assert demo.as_dict([pair])["ok"] is False


def test_the_json_holds_both_runs_with_their_series(pairs: list[Pair]) -> None:
    result = json.loads(json.dumps(demo.as_dict(pairs)))
    assert result["ok"] is True
    run = result["pythons"][0]["without"]
    assert (run["sent"], run["heard"], run["series"][-1][1:]) == (24, 24, [24, 24])


def test_the_picture_is_svg_that_tells_its_content_in_words(pairs: list[Pair]) -> None:
    root = ET.fromstring(plot.draw(pairs))
    assert root.get("role") == "img"
    names = {element.get("id"): element.text for element in root if element.get("id")}
    assert root.get("aria-labelledby", "").split() == list(names)
    about = names["about"] or ""
    assert "Python 3.12.9: without the plugin 24 of 24 heard" in about
    assert "Python <3&13>" in about


def test_the_picture_has_one_chart_for_each_python_with_a_line_for_each_run(
    pairs: list[Pair],
) -> None:
    root = ET.fromstring(plot.draw(pairs))
    charts = list(root.iter(SVG + "g"))
    assert len(charts) == 2
    for chart in charts:
        words = [text.text for text in chart.iter(SVG + "text")]
        assert {"seconds", "datagrams heard", "24 of 24"} <= set(words)
        (line,) = [path for path in chart.iter(SVG + "path") if path.get("class") == "without"]
        heights = [float(point.split()[1]) for point in line.get("d", "")[1:].split("L")]
        assert heights == sorted(heights, reverse=True)
        assert heights[0] > heights[-1]


def drawn(pairs: list[Pair], width: int) -> tuple[list[str], list[str]]:
    """The lines of the table that is drawn while they run, and of the one at the end."""
    from rich.console import Console

    from tribler_udp_fix.cli import display

    console = Console(width=width, file=io.StringIO(), color_system=None)
    tables = (display._running_table(pairs, 24, width), display._result_table(pairs, width))
    with console.capture() as capture:
        console.print(tables[0])
    running = capture.get().splitlines()
    with console.capture() as capture:
        console.print(tables[1])
    return running, capture.get().splitlines()


@pytest.mark.parametrize("width", [60, 79, 80])
def test_its_tables_can_be_read_in_a_narrow_terminal(pairs: list[Pair], width: int) -> None:
    for lines in drawn(pairs, width):
        assert max(map(len, lines)) <= width
        text = " ".join(" ".join(lines).split())
        assert "\u2026" not in text  # nothing is cut off
        headings = " ".join(" ".join(lines[:6]).split())
        for heading in ("Python", "without", "with", "the plugin"):
            assert heading in headings
        for pair in pairs:
            (row,) = [line for line in lines if f" {pair.version} " in f" {line} "]
            assert "24/24" in row or "24 of 24" in row


def test_a_child_that_fails_is_reported_with_its_last_line() -> None:
    child = start("import sys; sys.exit('no such luck')")
    wait(child)
    assert "status 1" in failure(child)
    assert "no such luck" in failure(child)


def test_a_child_that_falls_silent_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tribler_udp_fix.cli.children.TIME_LIMIT", -0.5)
    child = start("import time; time.sleep(600)")
    wait(child)
    assert child.failure == "it did not end"


def test_only_the_protected_child_has_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBLER_UDP_FIX", "yes")
    code = "import os, sys; sys.exit(repr(os.environ.get('TRIBLER_UDP_FIX')))"
    children = [start(code, protected) for protected in (False, True)]
    for child in children:
        wait(child)
    assert [failure(child).split(": ")[1] for child in children] == ["None", "'1'"]


def test_stopping_a_child_ends_what_it_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(f'{{child.pid}}.')\n"
        "time.sleep(600)"
    )
    child = start(code)
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("."):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    grandchild = int((tmp_path / "pid").read_text()[:-1])
    child.stop()
    while is_alive(grandchild):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_installed_package_says_in_one_line_that_the_demo_needs_a_clone(tmp_path: Path) -> None:
    package = Path(tribler_udp_fix.__file__).parent
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    result = subprocess.run(
        [sys.executable, "-m", "tribler_udp_fix", "demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert "a clone of the project" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    code = (
        "import sys; sys.modules['rich'] = None\n"
        "from tribler_udp_fix.cli import main; sys.exit(main(['demo']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "drawing needs rich (pip install rich): " in done.stderr


def test_a_python_that_the_lab_has_not_is_answered_with_those_it_has() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "tribler_udp_fix", "demo", "--python", "2.7"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert "--python 2.7 is not allowed" in result.stderr
    assert "3.12.9" in result.stderr


def test_an_interrupt_ends_the_services_without_a_traceback(tmp_path: Path) -> None:
    # The demo itself, on this machine's own event loop instead of the lab's Pythons.
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tribler_udp_fix.cli import demo, main\n"
        "command = [sys.executable, *demo.SERVICE]\n"
        f"target = demo.Target('3.12.9', command, Path({str(ROOT)!r}))\n"
        "demo.find_targets = lambda wanted: [target]\n"
        "sys.exit(main(['demo', '--seconds', '60']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "heard" in line:
            break
    services = [pid for pid in processes() if parent(pid) == process.pid]
    assert len(services) == 2
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stdout + stderr
    assert not any(is_alive(pid) for pid in services)


def processes() -> list[int]:
    """Every process of the machine."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def parent(pid: int) -> int | None:
    """The process's parent; None when it has ended meanwhile."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
