"""install() where there is no Proactor."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import tribler_udp_fix
from tribler_udp_fix._faults import IPV8_FAULTS

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="tests/windows shows what happens where there is a Proactor"
)


def test_without_a_proactor_only_the_selectors_transports_are_ours_and_the_status_says_so():
    script = (
        "import sys, json, tribler_udp_fix; status = tribler_udp_fix.install().as_dict(); "
        "print(json.dumps([status, sorted({'wrapt', 'asyncio', 'ipv8'} & set(sys.modules))]))"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    status, imported = json.loads(done.stdout)
    states = {r["fault"]: (r["state"], r["reason"]) for r in status["repairs"]}
    assert [states.pop(fault) for fault in IPV8_FAULTS] == [
        ("off", "pyipv8 is not imported")
    ] * len(IPV8_FAULTS)
    for row in ("tribler", "trackers"):
        assert states.pop(row) == ("off", "Tribler is not imported")
    made = "datagram transports of SelectorEventLoop are made as SelectorTransport"
    assert states.pop("selector") == ("applied", made)
    assert set(states.values()) == {("not needed", "no Proactor")}
    assert imported == ["asyncio", "wrapt"]


def test_what_watches_everything_is_imported_where_the_settings_ask_for_it():
    script = (
        "import sys, tribler_udp_fix as it; name = 'tribler_udp_fix._watchdog._watchdog'; "
        "it.install(); print(name in sys.modules); "
        "it.install(it.Settings(watch='all')); print(name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode() == "False\nTrue\n"


def test_without_a_proactor_no_event_loop_is_chosen_and_the_status_says_so():
    script = (
        "import sys, tribler_udp_fix as it; it.install(it.Settings(loop='proactor')); "
        "print(*((r.state, r.reason) for r in it.status().repairs if r.fault == 'loop'))"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode() == "('not needed', 'no Proactor')\n"


@pytest.mark.parametrize("settings", [{}, 0, "watch", False, tribler_udp_fix.Settings], ids=repr)
def test_what_are_no_settings_is_refused_before_anything_is_changed(settings: Any) -> None:
    before = tribler_udp_fix.status()
    with pytest.raises(TypeError) as caught:
        tribler_udp_fix.install(settings)
    allowed = "allowed is a tribler_udp_fix.Settings, or None"
    assert str(caught.value) == f"settings={settings!r}: {allowed}"
    after = tribler_udp_fix.status()
    assert not after.installed
    assert (after.settings, after.repairs) == (before.settings, before.repairs)


def test_install_and_uninstall_may_be_called_in_any_order():
    finders = list(sys.meta_path)
    assert not tribler_udp_fix.uninstall().installed
    for _ in range(2):
        assert tribler_udp_fix.install().installed
    for _ in range(2):
        assert not tribler_udp_fix.uninstall().installed
    assert sys.meta_path == finders
