"""Each fault of IPv8's endpoints, met and mended on Linux; tests/windows does so on Windows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest
from ipv8_expected import SCENARIOS, check

if sys.platform == "win32":
    pytest.skip("tests/windows/test_ipv8_faults.py is for Windows", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

SCRIPT = Path(__file__).parent / "windows" / "ipv8_faults.py"


def meet(plugin: bool, **env: str) -> dict[str, Any]:
    """What the script sees in a child, opted in by the variable alone or not."""
    return output_of(SCRIPT, *SCENARIOS, plugin=plugin, **env)


def output_of(script: Path, *arguments: str, plugin: bool, **env: str) -> dict[str, Any]:
    """The JSON that a script prints in a child."""
    environ = {**os.environ, "TRIBLER_UDP_FIX": "1" if plugin else "0", **env}
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, Any] = json.loads(done.stdout)
    return outcomes


@pytest.fixture(scope="module")
def seen() -> Callable[[bool], dict[str, Any]]:
    runs = [meet(plugin=False), meet(plugin=True)]
    return lambda plugin: runs[plugin]


@pytest.mark.parametrize("plugin", [False, True], ids=["stock", "repaired"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_what_ipv8_does_wrong_is_there_without_the_plugin_and_right_with_it(seen, name, plugin):
    check(seen(plugin), name, plugin=plugin)


def test_with_statistics_on_two_services_hear_each_other_with_the_plugin_alone() -> None:
    script = SCRIPT.with_name("ipv8_service_statistics.py")
    stock, repaired = (output_of(script, plugin=plugin) for plugin in (False, True))
    assert stock == {"heard": [[], []], "counted": [5, 5]}
    assert repaired == {"heard": [[0, 1, 2, 3, 4]] * 2, "counted": [5, 5]}
