"""Imports in several threads at once, with the hook on: import_stress.py, in short."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "windows" / "import_stress.py"


def test_no_start_hangs_and_all_end_installed() -> None:
    pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")
    spec = importlib.util.spec_from_file_location("import_stress", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    stress = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stress)
    seed = random.randrange(10**6)
    kinds, wrong = stress.run(60, seed)
    assert not wrong, f"seed {seed}: {stress.summary(kinds)}\n" + "\n".join(map(str, wrong))
