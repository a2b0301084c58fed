"""The metrics on Linux, too: nothing in them is Windows' alone."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ipv8") is None, reason="this Python has no pyipv8 of the lab's"
)

if sys.platform != "win32":  # there tests/windows is run as it is
    folder = str(Path(__file__).parent / "windows")
    if folder not in sys.path:  # as pytest has it once it has been there
        sys.path.insert(0, folder)
    pytest.register_assert_rewrite("test_metrics")
    found = vars(importlib.import_module("test_metrics"))
    names = [name for name in found if name.startswith("test_") or name == "exporter"]
    globals().update({name: found[name] for name in names})


def test_the_docs_list_the_metrics_and_their_labels() -> None:
    docs = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text("utf-8")
    listed = {}
    for names, labels in re.findall(r"^\| (`[^|]*)\|([^|]*)\|", docs, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            listed[name] = set(re.findall(r"`(\w+)`", labels))
    from test_metrics import LABELS

    assert listed == LABELS
