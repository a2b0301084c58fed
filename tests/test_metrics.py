"""The metrics on Linux, too: nothing in them is Windows' alone."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from .windows_tests import taken_from

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ipv8") is None, reason="this Python has no pyipv8 of the lab's"
)

if sys.platform != "win32":  # there tests/windows is run as it is
    globals().update(taken_from("test_metrics", "exporter"))


def test_the_docs_list_the_metrics_and_their_labels() -> None:
    docs = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text("utf-8")
    listed = {}
    for names, labels in re.findall(r"^\| (`[^|]*)\|([^|]*)\|", docs, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            listed[name] = set(re.findall(r"`(\w+)`", labels))
    from test_metrics import LABELS

    assert listed == LABELS
