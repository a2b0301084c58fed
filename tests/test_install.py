"""install() where there is no Proactor."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import tribler_udp_fix

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="tests/windows shows what happens where there is a Proactor"
)


def test_without_a_proactor_nothing_is_done_and_the_status_says_so():
    script = (
        "import sys, json, tribler_udp_fix; status = tribler_udp_fix.install().as_dict(); "
        "print(json.dumps([status, sorted({'wrapt', 'asyncio'} & set(sys.modules))]))"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    status, imported = json.loads(done.stdout)
    assert status["installed"] is False
    assert {repair["state"] for repair in status["repairs"]} == {"not needed"}
    assert {repair["reason"] for repair in status["repairs"]} == {"no Proactor"}
    assert imported == []


def test_install_and_uninstall_may_be_called_in_any_order():
    for call in (tribler_udp_fix.uninstall, tribler_udp_fix.install, tribler_udp_fix.install):
        assert not call().installed
