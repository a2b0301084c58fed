"""install() and uninstall(): all or nothing, known shapes only, and everything put back."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest
from child import python
from udp import closed_address, endpoint, hears

import tribler_udp_fix
from tribler_udp_fix import Settings


def touched():
    proactor_events: Any = asyncio.proactor_events
    windows_events: Any = asyncio.windows_events
    classes = [
        windows_events.IocpProactor,
        windows_events.ProactorEventLoop,
        windows_events._OverlappedFuture,
        proactor_events.BaseProactorEventLoop,
        proactor_events._ProactorDatagramTransport,
        proactor_events._ProactorBasePipeTransport,
    ]
    # By identity: wrapt's wrapper is equal to what it wraps.
    return {cls: {name: id(value) for name, value in vars(cls).items()} for cls in classes}


@pytest.fixture(autouse=True)
def _uninstalled():
    yield
    tribler_udp_fix.uninstall()


def state_of(fault):
    (repair,) = (r for r in tribler_udp_fix.status().repairs if r.fault == fault)
    return repair


def states():
    return {repair.fault: repair.state for repair in tribler_udp_fix.status().repairs}


def test_after_uninstall_every_class_is_what_it_was():
    before = touched()
    for _ in range(3):
        tribler_udp_fix.install()
        assert touched() != before
        tribler_udp_fix.uninstall()
        assert touched() == before


def test_installing_twice_changes_nothing_more():
    tribler_udp_fix.install()
    once = touched()
    tribler_udp_fix.install()
    assert touched() == once


def test_every_fault_this_python_has_is_repaired_and_the_reason_tells_which_those_are():
    from tribler_udp_fix._asyncio._upstream import has_fault
    from tribler_udp_fix._faults import FAULTS

    assert set(states().values()) == {"off"}
    tribler_udp_fix.install()
    # IPv8's are in test_ipv8_faults.py.
    for fault in FAULTS:
        row = state_of(fault)
        assert row.state == "applied"
        told = "has" if has_fault(fault) else "does not have"
        assert row.reason.endswith(f"; this CPython {told} this fault")
    tribler_udp_fix.uninstall()
    assert set(states().values()) == {"off"}


def test_installing_in_a_thread_while_the_hook_installs_does_not_block():
    script = """
import sys, threading, time
import tribler_udp_fix, tribler_udp_fix._install

class Slow:
    def find_spec(self, name, *rest):
        if name == "asyncio.windows_events":
            thread.start()
            time.sleep(0.3)

sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=tribler_udp_fix.install, daemon=True)
import asyncio
thread.join(10)
assert not thread.is_alive()
assert tribler_udp_fix.status().installed
"""
    python("-c", script, plugin=True, timeout=60)


def test_many_threads_may_install_and_uninstall_at_once():
    before = touched()
    gate = threading.Barrier(8)
    failures = []

    def work(number):
        gate.wait()
        try:
            for _ in range(20):
                (tribler_udp_fix.install if number % 2 else tribler_udp_fix.uninstall)()
        except Exception as exc:  # a thread's: it is what the test asserts on
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    tribler_udp_fix.uninstall()
    assert touched() == before


@pytest.mark.parametrize(
    ("owner", "name", "refused"),
    [
        ("proactor_events.BaseProactorEventLoop", "_make_datagram_transport", "F1"),
        ("windows_events.IocpProactor", "sendto", "F10"),
        ("proactor_events._ProactorDatagramTransport", "_loop_reading", "F2"),
    ],
)
def test_a_target_of_another_shape_is_left_alone_and_named(
    monkeypatch, caplog, owner, name, refused
):
    module, cls = owner.split(".")
    target = getattr(getattr(asyncio, module), cls)

    def other(self, something, else_=None):
        raise AssertionError("never called")

    monkeypatch.setattr(target, name, other)
    tribler_udp_fix.install()
    repair = state_of(refused)
    assert repair.state == "refused"
    assert f"{cls}.{name} takes (self, something, else_)" in repair.reason
    (told,) = caplog.messages
    faults, _, why = told.partition(" left alone: ")
    assert refused in faults.split(", ")
    assert repair.reason.startswith(why)
    assert vars(target)[name] is other
    assert "applied" in states().values()  # the repairs that do not need it are there


def test_when_one_patch_cannot_be_applied_none_stays(monkeypatch):
    from tribler_udp_fix._patching import _patches

    before = touched()
    apply = _patches.Patch.apply

    def fail_on_the_last(self):
        if self.name == "sendto":
            raise RuntimeError("no")
        apply(self)

    monkeypatch.setattr(_patches.Patch, "apply", fail_on_the_last)
    with pytest.raises(RuntimeError):
        tribler_udp_fix.install()
    assert touched() == before
    assert not tribler_udp_fix.status().installed


def test_a_wrapper_that_somebody_put_over_ours_is_left_and_ours_below_is_off(run_stock):
    windows_events: Any = asyncio.windows_events
    original = vars(windows_events.IocpProactor)["recvfrom"]
    tribler_udp_fix.install()
    ours = vars(windows_events.IocpProactor)["recvfrom"]

    def theirs(self, *args, **kwargs):
        return ours.__get__(self)(*args, **kwargs)

    try:
        windows_events.IocpProactor.recvfrom = theirs
        status = tribler_udp_fix.uninstall()
        assert vars(windows_events.IocpProactor)["recvfrom"] is theirs
        assert "IocpProactor.recvfrom was wrapped again" in state_of("F9").reason

        async def stock_future():
            protocol = await endpoint()
            await asyncio.sleep(0.05)
            kind = type(protocol.transport._read_fut).__name__
            protocol.transport.close()
            return kind

        assert run_stock(stock_future) == "_OverlappedFuture"
        assert tribler_udp_fix.uninstall().repairs == status.repairs
        tribler_udp_fix.install()
        assert "recvfrom takes (self, args, kwargs)" in state_of("F9").reason
    finally:
        windows_events.IocpProactor.recvfrom = ours  # they take theirs off
        tribler_udp_fix.uninstall()
    assert vars(windows_events.IocpProactor)["recvfrom"] is original


def test_prevented_icmp_errors_are_asked_for_at_the_socket_and_accounted_for(run_stock):
    tribler_udp_fix.install(Settings(prevent_icmp_errors=True))

    async def main():
        protocol = await endpoint()
        protocol.transport.sendto(b"?", closed_address())
        await hears(protocol, b"heard")
        protocol.transport.close()

    before = tribler_udp_fix.status().counters
    try:
        run_stock(main)  # a stock loop, and the plugin installed above
    finally:
        tribler_udp_fix.install(Settings())
    after = tribler_udp_fix.status().counters
    for switch in ("SIO_UDP_CONNRESET", "SIO_UDP_NETRESET"):
        outcomes = [name for name in after if name.startswith(switch)]
        assert sum(after[name] - before.get(name, 0) for name in outcomes) == 1


def test_the_status_is_json():
    script = "import json, tribler_udp_fix; print(json.dumps(tribler_udp_fix.install().as_dict()))"
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True
    )
    assert b'"installed": true' in done.stdout
