"""Tests that fail beside others, and are run again by themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("on Windows there is no bridge: the tests run natively", allow_module_level=True)

from .bridge_project import Project, counts, project
from .winlab import places

pytest_plugins = ["pytester"]
__all__ = ["project"]

FAILS_ONCE = """
import pathlib
def test_once():
    met = pathlib.Path({met!r})
    try:
        assert met.exists(), "the first time"
    finally:
        met.touch()
def test_always():
    assert False
"""


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        (2, {"passed": 1, "failed": 1, "again": 2}),
        (1, {"passed": 1, "failed": 1, "again": 1}),
        (0, {"failed": 2}),
    ],
)
@pytest.mark.parametrize("where", ["on Windows", "on Linux"])
def test_what_failed_beside_others_has_a_second_chance_by_itself(
    project: Project, tmp_path: Path, where: str, chances: int, expected: dict[str, int]
) -> None:
    options = ("--second-chances", str(chances))
    met = tmp_path / "met"
    if where == "on Windows":
        result = project.run(FAILS_ONCE.format(met=places.windows_path(met)), *options)
    else:
        project.pytester.makepyfile(test_linux=FAILS_ONCE.format(met=str(met)))
        result = project.pytester.runpytest_subprocess("test_linux.py", *options)
    assert counts(result) == expected
    if chances:
        result.stdout.fnmatch_lines(
            ["*failed beside others, and ran again by themselves*", "*AssertionError: the first*"]
        )


def test_what_ends_its_python_has_no_second_chance(project: Project, tmp_path: Path) -> None:
    source = f"""
import os, pathlib
def test_crash():
    met = pathlib.Path({places.windows_path(tmp_path / "met")!r})
    if not met.exists():
        met.touch()
        os._exit(3)
"""
    assert counts(project.run(source, "--second-chances", "2")) == {"failed": 1}


def test_with_x_nothing_has_a_second_chance(project: Project) -> None:
    options = ("--second-chances", "2", "-x")
    assert counts(project.run("def test_it(): assert False", *options)) == {"failed": 1}


def test_fewer_chances_than_none_are_refused(project: Project) -> None:
    result = project.run("def test_it(): pass", "--second-chances", "-1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--second-chances: -1 is less than 0*"])
