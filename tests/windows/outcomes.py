"""What becomes of a project's own tests without the plugin, and with it."""

from __future__ import annotations

import json
import pathlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Sequence

from child import python

SUITE = str(pathlib.Path(__file__).with_name("suite.py"))


def outcomes(
    names: Sequence[str], folder: Any, plugin: bool, runner: str = SUITE, **env: str
) -> dict[str, Any]:
    """What suite.py, or another *runner*, prints of the tests *names*, run in *folder*."""
    printed = python(runner, *names, plugin=plugin, cwd=folder, timeout=600, **env)
    found: dict[str, Any] = json.loads(printed)
    return found


def compare(
    names: Sequence[str],
    folder: Any,
    broken: Sequence[str] = (),
    options: Sequence[str] = (),
    in_turn: str = "",
    **env: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both runs, after the proof that nothing but what is *broken* is lost between them.

    *options* are suite.py's for the run with the plugin; *env* is for both. They go at once,
    unless *in_turn* says why they would be in each other's way.
    """
    with ThreadPoolExecutor(1 if in_turn else 2) as both:
        without = both.submit(outcomes, names, folder, plugin=False, **env)
        left_out = [f"-{test}" for test in broken]
        those = [*options, *names, *left_out]
        repaired = both.submit(outcomes, those, folder, plugin=True, **env).result()
        stock = without.result()
    assert set(repaired) - {"everything"} == set(stock) - set(broken) - {"everything"}
    lost = [test for test in stock if stock[test] == "passed" and repaired.get(test) != "passed"]
    lost = [test for test in lost if test not in broken]
    if lost:
        # A test that depends on time may fail once on a loaded machine, but not when alone.
        again = outcomes([*options, *lost], folder, plugin=True, **env)
        lost = [test for test in lost if again.get(test) != "passed"]
    assert lost == [], lost
    return stock, repaired
