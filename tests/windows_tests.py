"""Tests of tests/windows that Linux runs, too, where nothing in them is Windows' alone."""

from __future__ import annotations

import importlib
from typing import Any

import pytest


def taken_from(module: str, *fixtures: str) -> dict[str, Any]:
    """The tests in a module of tests/windows, by name, and the *fixtures* of it that they need."""
    pytest.register_assert_rewrite(module)
    found = vars(importlib.import_module(module))
    return {name: found[name] for name in found if name.startswith("test_") or name in fixtures}
