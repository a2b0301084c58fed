"""Imports in several threads at once, with the hook on: import_stress.py, in short."""

from __future__ import annotations

import random

import import_stress
from udp import needs_pyipv8, only_on

pytestmark = [needs_pyipv8, only_on("3.12", "3.13")]


def test_no_start_hangs_and_all_end_installed():
    seed = random.randrange(10**6)
    kinds, wrong = import_stress.run(25, seed)
    told = "\n".join(map(str, wrong))
    assert not wrong, f"seed {seed}: {import_stress.summary(kinds)}\n{told}"
