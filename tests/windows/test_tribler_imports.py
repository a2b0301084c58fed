"""Tribler is joined when the program imports it, or where it has; and never imported for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Sequence

import pytest
from child import python
from udp import needs_pyipv8, only_on

pytestmark = [needs_pyipv8, only_on("3.10", "3.12")]

HERE = Path(__file__).parent

HEAD = """
import sys, warnings
warnings.simplefilter("ignore")
import tribler_udp_fix

def entry():
    (repair,) = (r for r in tribler_udp_fix.status().repairs if r.fault == "tribler")
    return repair.state, repair.reason
"""


def stand_in(version: str) -> list[Path]:
    """Tribler of this version, and what both versions share."""
    return [HERE / "stand_in" / f"version{version}", HERE]


def output(code: str, path: Sequence[Path] = (), plugin: bool = False) -> str:
    told = python("-c", HEAD + code, plugin=plugin, PYTHONPATH=os.pathsep.join(map(str, path)))
    return told.replace("\r\n", "\n")


def fake_tribler(folder: Path, module: str, source: str) -> Path:
    """A package in the place of Tribler whose module is not the one that we know."""
    package = folder
    *packages, name = module.split(".")
    for part in packages:
        package = package / part
        package.mkdir()
        (package / "__init__.py").touch()
    (package / f"{name}.py").write_text(source)
    return folder


VERSION_8 = ("8", "import tribler.core.session as module", "Session", "register_launchers")
VERSION_7 = (
    "7",
    "import tribler.core.components.restapi.rest.rest_manager as module, tribler.core.start_core",
    "RESTManager",
    "start",
)


@pytest.mark.parametrize(("version", "imports", "cls", "method"), [VERSION_7, VERSION_8])
def test_after_uninstall_each_class_is_what_it_was(version, imports, cls, method):
    code = f"""
{imports}
cls = module.{cls}
before = {{name: id(value) for name, value in vars(cls).items()}}
for _ in range(2):
    tribler_udp_fix.install()
    now = {{name: id(value) for name, value in vars(cls).items()}}
    print([name for name in before if now[name] != before[name]], entry()[0])
    tribler_udp_fix.uninstall()
    print({{name: id(value) for name, value in vars(cls).items()}} == before, entry())
"""
    once = f"['{method}'] applied\nTrue ('off', 'not installed')\n"
    assert output(code, stand_in(version)) == once * 2


def test_after_uninstall_the_function_is_what_it_was():
    code = """
from tribler.core import start_core
before = start_core.components_gen
for _ in range(2):
    tribler_udp_fix.install()
    print(start_core.components_gen is before, start_core.components_gen.__name__, entry()[0])
    tribler_udp_fix.uninstall()
    print(start_core.components_gen is before, entry())
"""
    once = "False components_gen applied\nTrue ('off', 'not installed')\n"
    assert output(code, stand_in("7")) == once * 2


def test_a_reloaded_module_is_joined_anew():
    code = """
import importlib
from tribler.core import start_core
tribler_udp_fix.install()
importlib.reload(start_core)
print(entry()[0], type(start_core.components_gen).__name__ != "function")
tribler_udp_fix.uninstall()
print(type(start_core.components_gen).__name__)
"""
    assert output(code, stand_in("7")) == "applied True\nfunction\n"


def test_installed_first_it_is_joined_when_the_program_imports_it_and_not_before():
    code = """
tribler_udp_fix.install()
print(entry(), sorted({"tribler", "aiohttp", "ipv8"} & set(sys.modules)))
import tribler.core.session
print(*entry())
"""
    assert output(code, stand_in("8")) == (
        "('off', 'Tribler is not imported') []\n"
        "applied version 8 has /api/udp-fix/health, and is told of changes\n"
    )


def test_both_ways_into_version_7_are_told():
    code = """
tribler_udp_fix.install()
import tribler.core.start_core
print(*entry())
"""
    assert output(code, stand_in("7")) == (
        "applied version 7.13 is told of changes; version 7.13 has /udp-fix/health\n"
    )


def test_by_the_variable_alone_it_is_seen_where_tribler_is_what_imports_asyncio(tmp_path):
    source = "import asyncio\nclass Session:\n    def begin(self): ...\n"
    fake_tribler(tmp_path, "tribler.core.session", source)
    code = "assert 'asyncio' not in sys.modules\nimport tribler.core.session\nprint(*entry())"
    told = "refused there is no class ComponentLauncher in tribler.core.components\n"
    assert output(code, [tmp_path], plugin=True) == told


@pytest.mark.parametrize(
    ("module", "source", "reason"),
    [
        ("tribler.core.session", "", "there is no class Session in tribler.core.session"),
        ("tribler.core.start_core", "", "there is no class Component in "),
        (
            "tribler.core.components.restapi.rest.rest_manager",
            "class RESTManager: pass",
            "there is no class RESTEndpoint in ",
        ),
    ],
)
def test_what_is_not_known_is_left_alone_and_named(tmp_path, module, source, reason):
    fake_tribler(tmp_path, module, source)
    code = f"tribler_udp_fix.install()\nimport {module}\nprint(*entry())"
    assert output(code, [tmp_path]).startswith(f"refused {reason}")


def test_our_modules_import_nothing_of_aiohttp_or_tribler():
    code = """
import pkgutil, importlib, tribler_udp_fix._tribler as ours
for module in pkgutil.iter_modules(ours.__path__):
    importlib.import_module(f"{ours.__name__}.{module.name}")
print(sorted({name.partition(".")[0] for name in sys.modules} & {
    "aiohttp", "aiohttp_apispec", "marshmallow", "ipv8", "tribler", "wrapt"}))
"""
    assert output(code) == "[]\n"


def test_whatever_fails_in_us_version_8_starts_and_its_own_components_are_there():
    code = """
import asyncio
tribler_udp_fix.install()
from tribler.core.session import Session
from tribler_udp_fix._tribler import _rest

def fail(*_):
    raise RuntimeError("no")

async def main():
    session = Session({"api/key": "k"}, None)
    _rest.HealthEndpoint.__init__ = fail
    session.register_launchers()
    print(list(session.loader.community_launchers))
    print(list(session.rest_manager.root_endpoint.endpoints))

asyncio.run(main())
"""
    assert output(code, stand_in("8")) == "['OwnComponent']\n[]\n"


def test_whatever_fails_in_us_version_7_starts_and_is_not_stopped_by_it():
    code = """
import asyncio
tribler_udp_fix.install()
from tribler.core import start_core
from tribler.core.components.session import Session
from tribler_udp_fix._tribler import _relay, _rest

def fail(*_):
    raise RuntimeError("no")

class IPv8:
    async def start(self): ...
    async def stop(self): ...

async def main():
    _relay.Relay.start = _rest.HealthEndpoint.__init__ = fail
    config = {"key": "k", "ipv8": IPv8()}
    session = Session(config, list(start_core.components_gen(config)))
    await session.start_components()
    print({type(c).__name__: c.failed for c in session.components.values()})
    print(session.shutdown_event.is_set(), config["port"] > 0)
    await session.shutdown()

asyncio.run(main())
"""
    names = "{'RESTComponent': False, 'Ipv8Component': False, 'UdpFixComponent': False}"
    assert output(code, stand_in("7")) == f"{names}\nFalse True\n"


def test_a_component_that_cannot_be_made_leaves_version_7_with_its_own():
    code = """
tribler_udp_fix.install()
from tribler.core import start_core
from tribler_udp_fix._tribler import _version7

def fail(*_):
    raise RuntimeError("no")

_version7.loaded_class = fail
print([type(c).__name__ for c in start_core.components_gen({})])
"""
    assert output(code, stand_in("7")) == "['RESTComponent', 'Ipv8Component']\n"
