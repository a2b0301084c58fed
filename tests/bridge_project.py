"""A project of its own, for tests of the bridge."""

from __future__ import annotations

from pathlib import Path

import pytest

from .winlab import places

CONFTEST = """
from pathlib import Path
import os, sys
if sys.platform != "win32":
    from tests.winlab import bridge
    pytest_addoption = bridge.add_options
    def pytest_configure(config):
        if "WINLAB_APART" not in os.environ:
            config.pluginmanager.register(bridge.Bridge(config, Path(__file__).parent / "windows"))
"""


class Project:
    """A project of its own whose windows/test_it.py the lab's Windows Pythons run."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makeconftest(CONFTEST)
        pytester.makeini("[pytest]\nmarkers =\n  slow\n  alone\n  apart\n")
        pytester.mkdir("windows")

    def run(self, source: str, *options: str, python: str = "3.12") -> pytest.RunResult:
        """Run the tests in this source on one Windows Python."""
        Path(self.pytester.path, "windows", "test_it.py").write_text(source)
        return self.pytester.runpytest_subprocess("--windows-python", python, "-rA", *options)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTHONPATH", str(places.ROOT))
    return Project(pytester)


def counts(result: pytest.RunResult) -> dict[str, int]:
    return {key: number for key, number in result.parseoutcomes().items() if key != "warnings"}
