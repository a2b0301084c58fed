"""The examples of docs/testing.md, run as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tribler_udp_fix import testing

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "testing.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_has_examples_and_names_every_fault():
    assert len(EXAMPLES) == 4
    for name in testing.__all__:
        if name.islower():
            assert f"`{name}(" in PAGE


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_does_what_it_says(number: int, tmp_path: Any) -> None:
    example = EXAMPLES[number]
    if "import UDPEndpoint" in example:
        pytest.importorskip("ipv8")
    (tmp_path / "test_example.py").write_text(example, "utf-8")
    # The plugin by its module's name, for where the package is not installed.
    plugin = ["-p", "tribler_udp_fix.testing.pytest_plugin", "-p", "no:tribler_udp_fix"]
    run = (
        ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *plugin]
        if "watched" in example
        else ["-W", "error"]
    )
    done = subprocess.run(
        [sys.executable, *run, str(tmp_path / "test_example.py")],
        cwd=str(ROOT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
