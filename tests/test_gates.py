"""Gates: what is called before a function of somebody else's, and no trace of it afterwards."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import types
from typing import Any, Callable

import pytest

from tribler_udp_fix._imports import GATES, behind, close_gate, is_importing
from tribler_udp_fix._ipv8._names import TARGETS as IPV8_TARGETS
from tribler_udp_fix._patching._patches import Patch, Shape
from tribler_udp_fix._peers._names import TARGETS as PEER_TARGETS
from tribler_udp_fix._tribler._names import TARGETS as TRIBLER_TARGETS
from tribler_udp_fix._watchdog._names import TARGETS as WATCHED_TARGETS

HOME = "home_of_a_gate"


@pytest.fixture(name="module")
def _module(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType(HOME)
    exec(
        "class Endpoint:\n"
        "    'An endpoint.'\n"
        "    def open(self, port, *, ip='::'):\n"
        "        'Open it.'\n"
        "        return 'opened', port, ip\n"
        "def make(port):\n"
        "    return 'made', port\n",
        vars(module),
    )
    monkeypatch.setitem(sys.modules, HOME, module)
    return module


@pytest.fixture(name="arrivals")
def _arrivals() -> list[str]:
    return []


def _first(arrivals: list[Callable[[], None]]) -> None:
    if arrivals:
        arrivals.pop()()


def closed(cls: str, name: str, arrivals: list[str]) -> Callable[[], None]:
    opener = close_gate(HOME, cls, name, lambda: arrivals.append(name))
    assert opener is not None
    return opener


def test_a_call_arrives_first_and_then_does_what_it_did(module: Any, arrivals: list[str]) -> None:
    closed("Endpoint", "open", arrivals)
    closed("", "make", arrivals)
    assert module.Endpoint().open(7, ip="::1") == ("opened", 7, "::1")
    assert module.make(port=8) == ("made", 8)
    assert arrivals == ["open", "make"]


def test_an_open_gate_leaves_everything_as_it_was(module: Any, arrivals: list[str]) -> None:
    cls = module.Endpoint
    before = list(vars(cls).items())
    opener = closed("Endpoint", "open", arrivals)
    assert list(vars(cls).items()) != before
    opener()
    opener()
    assert list(vars(cls).items()) == before


def test_a_gate_looks_like_the_function_behind_it(module: Any, arrivals: list[str]) -> None:
    function = module.Endpoint.open
    closed("Endpoint", "open", arrivals)
    gate = module.Endpoint.open
    assert behind(gate) is function
    assert inspect.signature(gate) == inspect.signature(function)
    assert (gate.__qualname__, gate.__doc__) == ("Endpoint.open", "Open it.")
    assert Shape(module.Endpoint, "open", ["self", "port", "ip"]).mismatch() is None


def test_what_is_no_plain_function_defined_there_gets_no_gate(module: Any) -> None:
    module.Child = type("Child", (module.Endpoint,), {"__module__": HOME, "open_": len})
    module.Other = type("Other", (), {"__module__": "__main__", "open": lambda self: None})
    for cls, name in (
        ("Child", "open"),
        ("Child", "open_"),
        ("Other", "open"),
        ("None", "open"),
        ("", "absent"),
    ):
        assert close_gate(HOME, cls, name, lambda: None) is None
    assert close_gate("no_such_module", "", "make", lambda: None) is None


def test_two_gates_are_one(module: Any, arrivals: list[str]) -> None:
    closed("", "make", arrivals)
    assert close_gate(HOME, "", "make", lambda: None) is None


def test_the_call_that_has_the_function_repaired_is_the_first_repaired_one(module: Any) -> None:
    def replacement(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        return ("repaired", *wrapped(*args, **kwargs))

    patch = Patch(module, "make", replacement)
    early = module.make
    arrivals = [patch.apply]
    assert close_gate(HOME, "", "make", lambda: _first(arrivals)) is not None
    kept = module.make  # as `from module import make` keeps it
    assert kept(1) == ("repaired", "made", 1)
    assert module.make(2) == ("repaired", "made", 2)
    patch.restore()
    assert module.make is early
    assert kept(3) == ("made", 3)


def test_a_wrapper_over_a_gate_stays_and_calls_through(module: Any, arrivals: list[str]) -> None:
    opener = closed("", "make", arrivals)

    @functools.wraps(module.make)
    def theirs(*args: Any) -> Any:
        return ("theirs", *theirs.__wrapped__(*args))

    module.make = theirs
    opener()
    assert module.make is theirs
    assert module.make(1) == ("theirs", "made", 1)


def test_an_import_is_known_to_be_one_by_its_package(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asking_package").mkdir()
    (tmp_path / "asking_package" / "__init__.py").write_text(
        "from tribler_udp_fix._imports import is_importing\n"
        "told = [is_importing(('asking_package',)), is_importing(('asyncio',))]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    told = importlib.import_module("asking_package").told
    monkeypatch.delitem(sys.modules, "asking_package")
    assert told == [True, False]
    assert not is_importing(("asking_package",))


def test_every_module_that_is_repaired_has_a_gate() -> None:
    assert set(GATES) == {
        "asyncio",
        *IPV8_TARGETS,
        *WATCHED_TARGETS,
        *PEER_TARGETS,
        *TRIBLER_TARGETS,
    }
