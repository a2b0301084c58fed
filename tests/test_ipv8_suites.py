"""pyipv8's own tests with everything of ours on, on Linux; tests/windows does so on Windows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("tests/windows/test_ipv8_suites.py is for Windows", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from test_ipv8_suites import pass_as_before

from .winlab.ipv8_wheels import IPV8_WHEELS, fetch


def test_with_the_newest_pyipv8_its_own_tests_pass_with_everything_of_ours_on(
    tmp_path: Path,
) -> None:
    pass_as_before(tmp_path, ran=250)


def test_with_an_old_pyipv8_they_do_so_too(tmp_path: Path) -> None:
    wheel = next(wheel for wheel in IPV8_WHEELS if wheel.version == "2.13.0")
    if not wheel.supports(sys.version_info[:2]):
        pytest.skip(f"pyipv8 {wheel.version} does not declare this Python")
    searched = os.pathsep.join([str(fetch(wheel)), os.environ.get("PYTHONPATH", "")])
    # Without libsodium it has no keys that its tunnels can do with.
    pass_as_before(tmp_path, ran=200, PYTHONPATH=searched.rstrip(os.pathsep))
