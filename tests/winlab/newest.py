"""Runs the asyncio tests on the newest asyncios there are: those of Debian's sid and forky, today.

``python3 -m tests.winlab newest`` prints a table, and ends with 1 where a test failed.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Sequence
from xml.etree import ElementTree

from . import debian, places, pythons, venv
from .pythons import WindowsPython

RELEASES = ("sid", "forky")
PACKAGES = r"libpython3\.(?:1[3-9]|[2-9]\d)-stdlib"
TESTS = places.ROOT / "tests" / "windows"


def run(arguments: Sequence[str]) -> int:
    """Fetch them, run the tests with more of pytest's *arguments*, and print the table."""
    offered = fetch()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        tags = [f"--windows-python={python.tag}" for python in offered]
        command = [str(venv.PYTHON), "-m", "pytest", str(TESTS), "--tb=short", "-q", *tags]
        command += [f"--junit-xml={report}", *arguments]
        status = subprocess.call(command, cwd=places.ROOT)
        outcomes = _outcomes(report) if report.exists() else {}
    print("\n| asyncio of | passed | failed | skipped |\n|---|---|---|---|")
    for python in offered:
        found = outcomes.get(python.tag, Counter())
        cells = (str(found[outcome]) for outcome in ("passed", "failed", "skipped"))
        print(f"| {python.version} | {' | '.join(cells)} |")
    return status


def fetch() -> tuple[WindowsPython, ...]:
    """Download what Debian offers, oldest first, and keep nothing of what it did before."""
    places.DOWNLOADS.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in RELEASES:
        with tempfile.TemporaryDirectory(dir=places.DOWNLOADS) as folder:
            with debian.release(name) as release:
                archives = release.download(release.packages(PACKAGES), Path(folder))
            for archive in archives:
                version = version_of(archive.name)
                sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
                print(f"Debian {name} has {version}", file=sys.stderr)
                archive.replace(places.DOWNLOADS / archive.name)
                found[_key(version)] = {"version": version, "file": archive.name, "sha256": sha256}
    for old in places.DOWNLOADS.glob("*.deb"):
        if old.name not in {row["file"] for row in found.values()}:
            old.unlink()
    pythons.NEWEST.write_text(json.dumps([found[key] for key in sorted(found)], indent=2))
    return pythons.newest()


def version_of(archive: str) -> str:
    """CPython's version in the name of a package's file, as 3.15.2 or 3.16.0rc1."""
    found = re.search(r"_(3\.\d+\.\d+)(?:~?(rc\d+))?", archive)
    assert found is not None, archive
    return found[1] + (found[2] or "")


def _key(version: str) -> tuple[int, ...]:
    number, _, candidate = version.partition("rc")
    return (*map(int, number.split(".")), int(candidate or 99))


def _outcomes(report: Path) -> dict[str, Counter[str]]:
    """How many tests passed, failed and were skipped, by the tag of their Python."""
    found: dict[str, Counter[str]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        tag = re.search(r"newest-[^\]]+", case.get("name", ""))
        ends = {child.tag for child in case}
        outcome = "failed" if {"failure", "error"} & ends else "passed"
        outcome = "skipped" if "skipped" in ends and outcome == "passed" else outcome
        if tag:
            found.setdefault(tag[0], Counter())[outcome] += 1
    return found
