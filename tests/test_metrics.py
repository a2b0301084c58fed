"""The metrics on Linux, too: nothing in them is Windows' alone."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tribler_udp_fix import metrics

from .windows_tests import taken_from

DOCS = Path(__file__).parent.parent / "docs" / "metrics.md"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ipv8") is None, reason="this Python has no pyipv8 of the lab's"
)

if sys.platform != "win32":  # there tests/windows is run as it is
    globals().update(taken_from("test_metrics", "exporter"))


def test_what_is_no_registry_is_refused_with_what_is_allowed() -> None:
    wrong: Any = 5
    for call in (metrics.register, metrics.unregister):
        with pytest.raises(TypeError, match=r"^registry=5: allowed is a prometheus_client\.Coll"):
            call(wrong)


def test_without_prometheus_client_the_error_names_the_extra_as_the_docs_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "tribler_udp_fix._metrics", raising=False)
    with pytest.raises(ModuleNotFoundError) as refused:
        metrics.register()
    command = 'pip install ".[metrics]"'
    assert command in str(refused.value)
    assert command in DOCS.read_text("utf-8")


def test_the_docs_list_the_metrics_and_their_labels() -> None:
    docs = DOCS.read_text("utf-8")
    listed = {}
    for names, labels in re.findall(r"^\| (`[^|]*)\|([^|]*)\|", docs, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            listed[name] = set(re.findall(r"`(\w+)`", labels))
    from test_metrics import LABELS

    assert listed == LABELS
