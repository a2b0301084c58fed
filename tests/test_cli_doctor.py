"""What ``doctor`` says of its own needs, and of the variables that are set."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tribler_udp_fix.cli import doctor

from .test_cli import environ


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("sys.modules['wrapt'] = None", "wrapt"),
        ("sys.modules['wrapt'] = types.ModuleType('wrapt')", "is too old, 1.16 or later is needed"),
    ],
    ids=["without", "too old"],
)
def test_without_wrapt_it_says_in_one_line_what_the_plugin_needs(broken: str, told: str) -> None:
    code = (
        f"import sys, types; {broken}\n"
        "from tribler_udp_fix.cli import main\n"
        "sys.exit(main(['doctor', '--with-plugin', '--json']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    needs = (
        "tribler-udp-fix: --with-plugin needs wrapt 1.16 or later (`pip install .` in a virtual "
    )
    assert done.stderr.startswith(needs)
    assert told in done.stderr


@pytest.mark.parametrize(
    ("value", "meaning"), [("1", "on"), ("off", "off"), ("maybe", "no known value, off")]
)
def test_the_variable_that_switches_it_on_is_told_apart_from_its_settings(
    value: str, meaning: str
) -> None:
    report = {
        "variables": {"TRIBLER_UDP_FIX": value, "TRIBLER_UDP_FIX_TICK": "x"},
        "status": {"installed": True},
        "pth_installed": True,
    }
    expected = f"TRIBLER_UDP_FIX={value} ({meaning}), TRIBLER_UDP_FIX_TICK=x"
    assert doctor._switch_line(report) == expected
