"""TRIBLER_UDP_FIX_LOOP, in programs that force a loop, and what install() makes of the setting."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import warnings
from asyncio import events
from pathlib import Path
from typing import Any

import pytest
from child import python

import tribler_udp_fix
from tribler_udp_fix import Settings
from tribler_udp_fix._asyncio._upstream import has_fault

PROGRAM = str(Path(__file__).with_name("selector_program.py"))
# Private since 3.14.
POLICY: Any = vars(events).get("BaseDefaultEventLoopPolicy") or vars(events).get(
    "_BaseDefaultEventLoopPolicy"
)
STOCK_TRANSPORTS = ("_ProactorDatagramTransport", "_SelectorDatagramTransport")


def run_of(*words: str, plugin: bool = True, **env: str) -> Any:
    """What the two runs of the program were on: the same, so that one of them is told."""
    first, second = json.loads(python(PROGRAM, *words, plugin=plugin, timeout=120, **env))
    assert first == second
    return first


@pytest.fixture(autouse=True)
def _uninstalled() -> Any:
    yield
    tribler_udp_fix.install(Settings())
    tribler_udp_fix.uninstall()


def row() -> tuple[str, str]:
    (repair,) = (r for r in tribler_udp_fix.status().repairs if r.fault == "loop")
    return repair.state, repair.reason


def kind() -> Any:
    loop = asyncio.new_event_loop()
    loop.close()
    return type(loop)


def test_a_program_that_forces_the_selector_runs_on_the_repaired_proactor_and_hears():
    run = run_of(TRIBLER_UDP_FIX_LOOP="proactor")
    assert run["loop"] == "ProactorEventLoop"
    assert run["transport"] not in STOCK_TRANSPORTS
    assert run["hears"]


@pytest.mark.parametrize("value", ["keep", "", None])
def test_without_a_choice_it_keeps_its_selector(value):
    run = run_of(**({} if value is None else {"TRIBLER_UDP_FIX_LOOP": value}))
    assert (run["loop"], run["transport"]) == ("SelectorEventLoop", "SelectorTransport")
    assert run["hears"]


def test_switched_off_the_plugin_makes_no_choice_and_a_stock_proactor_goes_deaf_that_has_f2():
    run = run_of(plugin=False, TRIBLER_UDP_FIX_LOOP="proactor")
    assert run["loop"] == "SelectorEventLoop"
    run = run_of("default", plugin=False, TRIBLER_UDP_FIX_LOOP="selector")
    assert (run["loop"], run["transport"]) == ("ProactorEventLoop", STOCK_TRANSPORTS[0])
    assert run["hears"] == (not has_fault("F2"))


def test_selector_is_the_way_out_for_a_program_on_the_proactor():
    run = run_of("default", TRIBLER_UDP_FIX_LOOP=" Selector ")
    assert (run["loop"], run["transport"]) == ("SelectorEventLoop", "SelectorTransport")
    assert run["hears"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="run() takes loop_factory since 3.12")
def test_a_loop_factory_is_the_programs_own_choice():
    assert run_of("factory", TRIBLER_UDP_FIX_LOOP="proactor")["loop"] == "SelectorEventLoop"


def test_on_the_proactor_more_than_512_sockets_are_heard():
    run = run_of("crowd", TRIBLER_UDP_FIX_LOOP="proactor")
    assert run["crowd"] == 600
    assert run["crowd_hears"]


def test_on_the_selector_a_program_ends_with_the_513th_socket():
    environ = {**os.environ, "TRIBLER_UDP_FIX": "1", "TRIBLER_UDP_FIX_LOOP": "keep"}
    command = [sys.executable, PROGRAM, "crowd"]
    done = subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=120
    )
    assert done.returncode == 1
    assert b"ValueError: too many file descriptors in select()" in done.stderr


def test_a_bad_value_is_one_warning_and_the_loop_is_kept():
    environ = {**os.environ, "TRIBLER_UDP_FIX": "1", "TRIBLER_UDP_FIX_LOOP": "uvloop"}
    done = subprocess.run(
        [sys.executable, PROGRAM],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert json.loads(done.stdout)[0]["loop"] == "SelectorEventLoop"
    assert done.stderr == (
        "tribler_udp_fix: TRIBLER_UDP_FIX_LOOP='uvloop': allowed is keep, proactor or selector "
        "(the event loop on Windows of a program that names none). The default, keep, is kept.\n"
    )


def test_a_second_install_takes_over_another_choice_and_uninstall_ends_it():
    assert sys.platform == "win32"
    assert row()[0] == "off"
    kind()  # makes the policy
    before = {**vars(asyncio), **vars(events), **vars(POLICY)}
    for choice, expected in [
        ("keep", asyncio.ProactorEventLoop),
        ("selector", asyncio.SelectorEventLoop),
        ("proactor", asyncio.ProactorEventLoop),
        ("selector", asyncio.SelectorEventLoop),
    ]:
        tribler_udp_fix.install(Settings(loop=choice))
        assert row()[0] == ("not needed" if choice == "keep" else "applied")
        assert f"loop={choice}" in row()[1]
        assert kind() is expected
    tribler_udp_fix.install()  # without settings: those in force
    assert kind() is asyncio.SelectorEventLoop
    tribler_udp_fix.uninstall()
    assert kind() is asyncio.ProactorEventLoop
    after = {**vars(asyncio), **vars(events), **vars(POLICY)}
    assert [name for name in after if after[name] is not before.get(name)] == []


def test_nobody_is_moved_to_a_proactor_that_cannot_be_repaired(monkeypatch):
    def other(self: Any, something: Any) -> None:
        raise AssertionError("never called")

    proactor_events: Any = asyncio.proactor_events
    monkeypatch.setattr(proactor_events._ProactorDatagramTransport, "sendto", other)
    tribler_udp_fix.install(Settings(loop="proactor"))
    assert row() == ("refused", "_ProactorDatagramTransport.sendto takes (self, something)")
    monkeypatch.setattr(events, "_event_loop_policy", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since 3.14
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    assert kind() is asyncio.SelectorEventLoop
