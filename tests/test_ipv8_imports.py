"""IPv8 is repaired when the program imports it, or where it has; and never imported for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

HEAD = """
import sys, tribler_udp_fix

UDP = "ipv8.messaging.interfaces.udp.endpoint"

def f13():
    (repair,) = (r for r in tribler_udp_fix.status().repairs if r.fault == "F13")
    return repair.state, repair.reason

def replaced():
    return [n for n in ("open", "error_received") if n in vars(sys.modules[UDP].UDPEndpoint)
            and type(vars(sys.modules[UDP].UDPEndpoint)[n]).__name__ != "function"]

def waiting():
    return sum(type(finder).__name__ == "ImportFinder" for finder in sys.meta_path)
"""
BOTH = "['open', 'error_received']"


def output(code: str, path: Path | None = None, variable: str = "0") -> str:
    environ = {**os.environ, "TRIBLER_UDP_FIX": variable, "PYTHONPATH": str(path or "")}
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def fake_ipv8(folder: Path, endpoint: str) -> Path:
    """A package in the place of IPv8 whose UDP endpoints are not those that we know."""
    package = folder
    for name in ("ipv8", "messaging", "interfaces", "udp"):
        package = package / name
        package.mkdir()
        (package / "__init__.py").touch()
    (package / "endpoint.py").write_text(endpoint)
    return folder


def test_installed_first_it_is_repaired_when_the_program_imports_it():
    code = """
tribler_udp_fix.install()
print(f13(), [name for name in sys.modules if name.startswith("ipv8")], waiting())
import ipv8.messaging.interfaces.udp.endpoint
print(f13()[0], replaced(), waiting())
"""
    assert output(code) == f"('off', 'pyipv8 is not imported') [] 1\napplied {BOTH} 1\n"


def test_imported_first_it_is_repaired_by_install():
    code = """
import ipv8.messaging.interfaces.udp.endpoint
print(f13(), replaced(), waiting())
tribler_udp_fix.install()
print(f13()[0], replaced(), waiting())
"""
    assert output(code) == f"('off', 'not installed') [] 0\napplied {BOTH} 1\n"


@pytest.mark.parametrize("first", ["import asyncio", "pass"])
def test_with_the_variable_alone_it_is_repaired(first: str):
    code = f"{first}\nimport ipv8.messaging.interfaces.udp.endpoint\nprint(f13()[0], replaced())"
    assert output(code, variable="1") == f"applied {BOTH}\n"


@pytest.mark.parametrize("first", ["", "import asyncio", "tribler_udp_fix.install()"])
def test_it_is_repaired_before_the_program_has_its_first_endpoint(first: str):
    code = f"""
{first}
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
before = vars(UDPEndpoint)["__init__"].__code__.co_filename
UDPEndpoint(0, "127.0.0.1")
print(replaced(), vars(UDPEndpoint)["__init__"].__code__.co_filename == before)
tribler_udp_fix.uninstall()
print(replaced(), vars(UDPEndpoint)["__init__"].__code__.co_filename == sys.modules[UDP].__file__)
"""
    assert output(code, variable="1") == f"{BOTH} False\n[] True\n"


def test_with_the_variable_the_service_is_repaired_when_it_is_what_imports_asyncio():
    code = """
print("asyncio" in sys.modules)
import ipv8_service
print({r.fault: r.state for r in tribler_udp_fix.status().repairs}["F11"])
"""
    assert output(code, variable="1") == "False\napplied\n"


def test_with_the_variable_nothing_but_the_finder_comes_with_ipv8_alone():
    code = """
import ipv8
print(waiting(), [name for name in ("asyncio", "wrapt") if name in sys.modules], f13())
"""
    assert output(code, variable="1") == "1 [] ('off', 'pyipv8 is not imported')\n"


def test_after_uninstall_an_import_repairs_nothing_and_the_finder_is_gone():
    code = """
before = list(sys.meta_path)
tribler_udp_fix.install()
tribler_udp_fix.uninstall()
print(sys.meta_path == before)
import ipv8.messaging.interfaces.udp.endpoint
print(f13(), replaced())
"""
    assert output(code) == "True\n('off', 'not installed') []\n"


def test_uninstalled_while_the_module_runs_it_stays_as_it_is(tmp_path):
    fake_ipv8(tmp_path, "import tribler_udp_fix\ntribler_udp_fix.uninstall()\nUDPEndpoint = int\n")
    code = "tribler_udp_fix.install()\nimport ipv8.messaging.interfaces.udp.endpoint\nprint(f13())"
    assert output(code, tmp_path) == "('off', 'not installed')\n"


def test_a_reloaded_module_is_repaired_anew_and_both_its_classes_are_put_back():
    code = """
tribler_udp_fix.install()
import importlib, ipv8.messaging.interfaces.udp.endpoint as module
first = module.UDPEndpoint
importlib.reload(module)
print(module.UDPEndpoint is not first, f13()[0], replaced())
tribler_udp_fix.uninstall()
print(replaced(), type(vars(first)["open"]).__name__, "error_received" in vars(first))
"""
    assert output(code) == f"True applied {BOTH}\n[] function False\n"


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("UDPEndpoint = UDPv6Endpoint = None", "there is no class UDPEndpoint in "),
        ("class UDPEndpoint: pass", "there is no class UDPv6Endpoint in "),
        (
            "class UDPEndpoint:\n def __init__(self, port): 1\nclass UDPv6Endpoint(UDPEndpoint): 1",
            "UDPEndpoint.__init__ takes (self, port)",
        ),
    ],
)
def test_what_is_not_known_is_left_alone_and_named(tmp_path, endpoint, reason):
    fake_ipv8(tmp_path, endpoint)
    code = """
tribler_udp_fix.install()
import ipv8.messaging.interfaces.udp.endpoint
print(*f13(), ipv8.__file__)
"""
    assert output(code, tmp_path).startswith(f"refused {reason}")
    assert str(tmp_path) in output(code, tmp_path)


def endpoint_alone(folder: Path, change: Callable[[str], str]) -> None:
    """The module of IPv8's own UDP endpoints, changed, without the rest of IPv8."""
    own = Path(sys.modules["ipv8"].__file__ or "").parent / "messaging/interfaces/udp/endpoint.py"
    names = "import Endpoint, EndpointClosedException"
    source = own.read_text().replace(f"from ..endpoint {names}", f"from ipv8_endpoint {names}")
    fake_ipv8(folder, change(source))
    (folder / "ipv8_endpoint.py").write_text("class Endpoint: pass\nEndpointClosedException = 1")


def test_an_endpoint_that_is_not_opened_by_a_coroutine_is_refused(tmp_path):
    endpoint_alone(tmp_path, lambda source: source.replace("async ", "").replace("await ", ""))
    code = """
tribler_udp_fix.install()
import ipv8.messaging.interfaces.udp.endpoint
print(*f13(), replaced())
"""
    reason = "UDPEndpoint.open is not a coroutine function"
    assert output(code, tmp_path) == f"refused {reason} []\n"


def test_what_cannot_be_repaired_later_leaves_the_program_its_import_and_all_other_repairs():
    code = """
import logging
logging.disable()
tribler_udp_fix.install()
sys.modules["tribler_udp_fix._ipv8._repairs"] = None
import ipv8.messaging.interfaces.udp.endpoint
print(*f13(), replaced())
import asyncio
made = asyncio.base_events.BaseEventLoop.create_datagram_endpoint
print(tribler_udp_fix.status().installed, hasattr(made, "__wrapped__"))
tribler_udp_fix.uninstall()
print(*f13())
"""
    halted = (
        "off could not be applied: ModuleNotFoundError('import of tribler_udp_fix._ipv8._repairs "
        "halted; None in sys.modules')"
    )
    assert output(code) == f"{halted} []\nTrue True\noff not installed\n"


def test_when_a_patch_cannot_be_applied_the_import_goes_well_and_none_stays():
    code = """
import logging
logging.disable()
from tribler_udp_fix._patching import _patches
apply = _patches.Patch.apply
def fail_on_the_last(self):
    if self.name == "error_received":
        raise RuntimeError("no")
    apply(self)
_patches.Patch.apply = fail_on_the_last
tribler_udp_fix.install()
import ipv8.messaging.interfaces.udp.endpoint
print(f13(), replaced())
tribler_udp_fix.uninstall()
try:
    tribler_udp_fix.install()
except RuntimeError as exc:
    print(exc, tribler_udp_fix.status().installed, replaced(), waiting())
"""
    failed = """('off', "could not be applied: RuntimeError('no')")"""
    assert output(code) == f"{failed} []\nno False [] 0\n"


def test_an_import_that_another_thread_is_in_is_waited_for(tmp_path):
    slow = "import threading, time\nthreading.running.set()\ntime.sleep(0.5)\nclass UDPEndpoint("
    endpoint_alone(tmp_path, lambda source: source.replace("class UDPEndpoint(", slow))
    code = """
import importlib, threading
threading.running = threading.Event()
thread = threading.Thread(target=importlib.import_module, args=[UDP])
thread.start()
threading.running.wait()
tribler_udp_fix.install()
print(f13()[0], replaced())
thread.join(10)
"""
    assert output(code, tmp_path) == f"applied {BOTH}\n"


def test_a_private_copy_of_the_module_is_left_alone():
    code = """
tribler_udp_fix.install()
import importlib.util
import ipv8.messaging.interfaces.udp
spec = importlib.util.find_spec(UDP)
copy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(copy)
print(f13(), type(vars(copy.UDPEndpoint)["open"]).__name__, UDP in sys.modules)
"""
    assert output(code) == "('off', 'pyipv8 is not imported') function False\n"
