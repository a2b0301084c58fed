"""The benchmark: what it makes of its figures, and that it runs."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks import plot, report
from benchmarks.measurements import SCENARIOS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "performance"
NAMES = ["plugin", "stock Proactor"]
SAMPLES = {
    "echo-500-32": {
        "rate": {"plugin": [200.0, 900.0, 330.0], "stock Proactor": [100.0, 300.0, 100.0]}
    }
}


def test_a_ratio_is_that_of_a_round_and_the_median_of_the_rounds():
    found = report.ratio(SAMPLES, "echo-500-32", "rate", "stock Proactor")
    assert found == pytest.approx((3.0, 2.0, 3.3))


def test_a_contender_that_was_not_there_has_no_ratio():
    assert report.ratio(SAMPLES, "echo-500-32", "rate", "winloop") is None
    assert report.ratio(SAMPLES, "send", "rate", "stock Proactor") is None


def test_a_table_has_medians_and_ratios():
    lines = report.table(SAMPLES, NAMES).splitlines()
    assert lines[0] == "|  |  | plugin | stock Proactor | to stock Proactor |"
    expected = "| echo, 500 bytes, 32 in flight | a second | 330 | 100 | 3.00 (2.00–3.30) |"
    assert lines[2:] == [expected]


def test_a_promise_is_kept_or_not():
    slow = {"echo-500-32": {"rate": {"plugin": [100.0], "stock Proactor": [100.0]}}}
    assert [holds for _, holds in report.kept(SAMPLES, "3.12.9")] == [True]
    assert [holds for _, holds in report.kept(slow, "3.12.9")] == [False]
    assert report.kept(slow, "3.11.9") == []


def test_every_promise_and_every_row_is_of_a_figure_that_is_measured():
    for scenario, figure in (
        *report.SUMMARY,
        *((promise.scenario, promise.figure) for promise in report.PROMISES),
    ):
        assert figure in SCENARIOS[scenario].figures


def test_a_plot_is_an_svg_that_names_what_it_shows():
    drawing = plot.bars(SAMPLES, ["echo-500-32"], "rate", NAMES)
    text = "".join(ElementTree.fromstring(drawing).itertext())
    assert "stock Proactor" in text
    assert "100 (plugin: 3.00 times)" in text


def test_the_readmes_table_is_that_of_the_run_that_is_kept():
    summary = (RESULTS / "summary-3.12.md").read_text(encoding="utf-8")
    assert summary in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="the lab is Linux's")
def test_one_command_measures_and_writes(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--rounds", "1", "--output", str(tmp_path)]
    only = ["echo-500-32", "storm", "memory-1", "send", "receive", "ipv8-unsigned"]
    for name in only:
        command += ["--only", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300, check=False)
    assert done.returncode in (0, 1), done.stderr.decode()  # how fast it is, is not for here
    results = json.loads((tmp_path / "results-3.12.json").read_text())
    assert set(results["samples"]) == set(only)
    for figures in results["samples"].values():
        for contenders in figures.values():
            assert list(map(len, contenders.values())) == [1, 1, 1, 1]
    assert results["samples"]["storm"]["heard"]["plugin"] == [1.0]
    assert (tmp_path / "throughput-3.12.svg").exists()
    assert "IPv8 messages, unsigned" in done.stdout.decode()
