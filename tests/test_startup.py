"""The startup hook, in child interpreters that run the line of tribler_udp_fix.pth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tribler_udp_fix import _switch

from .startup_hook import HOOK, output, run

HOOK_ALONE = [
    "tribler_udp_fix",
    "tribler_udp_fix._imports",
    "tribler_udp_fix._startup",
    "tribler_udp_fix._switch",
]


def test_the_line_in_the_pth_names_the_off_values_of_the_hook() -> None:
    assert repr(_switch.OFF_VALUES).replace("'", '"') in HOOK


@pytest.mark.parametrize("value", [None, "", "0", "false", "no", "off", " Off ", "FALSE"])
def test_an_off_value_imports_nothing(value: str | None) -> None:
    assert output(f"hook({value!r}); print(ours(), waiting())") == "[] 0\n"


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", " On\t", "TRUE"])
def test_an_on_value_waits_for_the_program_to_import_asyncio_and_to_use_it(value: str) -> None:
    code = f"""
hook({value!r})
print("asyncio" in sys.modules, ours(), waiting())
import json
print("asyncio" in sys.modules, waiting())
import asyncio
print(ours() == {HOOK_ALONE}, waiting(), gates())
asyncio.new_event_loop().close()
print("tribler_udp_fix._install" in sys.modules, waiting(), gates(), installed())
"""
    assert output(code).splitlines() == [
        f"False {HOOK_ALONE} 1",
        "False 1",
        "True 1 3",
        "True 0 0 True",
    ]


def test_the_status_of_a_program_that_has_imported_asyncio_is_that_of_the_installed_repairs() -> (
    None
):
    assert output('hook("1"); import asyncio; print(installed(), waiting(), gates())') == (
        "True 0 0\n"
    )


def test_the_hook_imports_nothing_but_its_own_modules() -> None:
    code = """
before = set(sys.modules)
hook("1")
print(sorted(set(sys.modules) - before) == HOOK_ALONE)
"""
    assert output(f"HOOK_ALONE = {HOOK_ALONE}\n{code}") == "True\n"


def test_the_repairs_get_the_settings_of_the_environment() -> None:
    code = """
os.environ["TRIBLER_UDP_FIX_ERROR_BUDGET"] = "77"
hook("1")
import asyncio, tribler_udp_fix
print(tribler_udp_fix.status().settings.error_budget)
"""
    assert output(code) == "77\n"


@pytest.mark.parametrize("install", ["install()", "install(tribler_udp_fix.Settings())"])
def test_so_does_a_program_that_installs_by_itself_and_names_none(install: str) -> None:
    code = f"""
os.environ["TRIBLER_UDP_FIX_ERROR_BUDGET"] = "77"
hook("1")
import tribler_udp_fix
print(tribler_udp_fix.{install}.settings.error_budget)
"""
    assert output(code) == ("77\n" if install == "install()" else "1000\n")


def test_another_value_is_one_warning_that_names_what_is_allowed_and_off() -> None:
    result = run('hook("maybe"); hook("maybe"); import asyncio; print(waiting(), installed())')
    assert result.returncode == 0
    assert result.stdout == "0 False\n"
    assert result.stderr == (
        "tribler_udp_fix: TRIBLER_UDP_FIX='maybe': allowed are 1, true, yes, on (on) and "
        "0, false, no, off or nothing (off). The repairs stay off.\n"
    )


def test_the_hook_run_twice_waits_once() -> None:
    assert output('hook("1"); hook("1"); print(waiting())') == "1\n"
    code = 'hook("1"); import asyncio; hook("1"); print(waiting(), gates(), installed(), gates())'
    assert output(code) == "1 3 True 0\n"


def test_a_program_that_runs_the_hook_off_may_run_it_on_later() -> None:
    assert output('hook("0"); hook("?"[1:]); hook("1"); print(waiting())') == "1\n"


def test_asyncio_that_is_imported_already_is_repaired_when_it_is_used() -> None:
    code = """
import asyncio
hook("1")
print(waiting(), gates())
asyncio.run(asyncio.sleep(0))
print(waiting(), gates(), installed())
"""
    assert output(code) == "1 3\n0 0 True\n"


def test_asyncio_that_the_program_forbids_is_not_imported() -> None:
    code = """
sys.modules["asyncio"] = None
hook("1")
try:
    import asyncio
except ImportError:
    print("forbidden", installed())
"""
    assert output(code) == "forbidden False\n"


def test_an_asyncio_that_is_not_pythons_is_left_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "asyncio.py").write_text("MINE = True\n")
    code = f"""
hook("1")
sys.path.insert(0, {str(tmp_path)!r})
import asyncio
print(asyncio.MINE, waiting(), gates())
"""
    assert output(code) == "True 1 0\n"


def test_a_failure_inside_the_hook_is_one_line_with_the_way_to_switch_it_off() -> None:
    code = """
sys.modules["tribler_udp_fix._install"] = None
hook("1")
import asyncio
print(asyncio.run(asyncio.sleep(0, "the program goes on")))
"""
    result = run(code)
    assert (result.returncode, result.stdout) == (0, "the program goes on\n")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("tribler_udp_fix: the repairs are not on (ModuleNotFoundError:")
    assert result.stderr.endswith("To switch this off, set TRIBLER_UDP_FIX=0.\n")


def test_a_package_that_was_removed_meanwhile_does_not_cost_the_program_its_asyncio() -> None:
    code = """
hook("1")
sys.modules["tribler_udp_fix._settings"] = None
import asyncio
print(asyncio.run(asyncio.sleep(0, "the program goes on")), waiting(), gates())
"""
    result = run(code)
    assert (result.returncode, result.stdout) == (0, "the program goes on 0 0\n")
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith("To switch this off, set TRIBLER_UDP_FIX=0.\n")


def test_a_sys_meta_path_that_takes_no_finder_is_one_line_and_the_program_goes_on() -> None:
    code = """
import tribler_udp_fix._startup
finders, sys.meta_path = sys.meta_path, None
hook("1")
sys.meta_path = finders
print("the program goes on")
"""
    result = run(code)
    assert (result.returncode, result.stdout) == (0, "the program goes on\n")
    assert result.stderr.count("\n") == 1
    assert "set TRIBLER_UDP_FIX=0" in result.stderr


@pytest.mark.parametrize("stderr", ["None", "open(os.devnull)", "type('Broken', (), {})()"])
def test_a_program_without_a_usable_stderr_goes_on(stderr: str) -> None:
    code = f"""
sys.stderr = {stderr}
sys.modules["tribler_udp_fix._install"] = None
hook("maybe"); hook("1")
import asyncio
asyncio.run(asyncio.sleep(0))
sys.stderr = sys.__stderr__
print("the program goes on")
"""
    assert output(code) == "the program goes on\n"


@pytest.mark.parametrize(
    ("wrapt", "reason"),
    [
        ("raise OSError('this wrapt\\nis broken')", "OSError: this wrapt is broken"),
        (
            "raise ModuleNotFoundError('No module named wrapt', name='wrapt')",
            "ModuleNotFoundError: No module named wrapt",
        ),
        ("__version__ = '1.14.1'", "ImportError: wrapt 1.14.1 is too old, 1.16 or later is needed"),
    ],
    ids=["broken", "missing", "too old"],
)
def test_a_wrapt_that_cannot_be_used_is_one_line_and_an_honest_status(
    tmp_path: Path, wrapt: str, reason: str
) -> None:
    pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")
    (tmp_path / "wrapt.py").write_text(wrapt + "\n")
    code = f"""
hook("1")
sys.path.insert(0, {str(tmp_path)!r})
import asyncio
asyncio.run(asyncio.sleep(0))
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
import tribler_udp_fix
UDPEndpoint(0, "127.0.0.1")
status = tribler_udp_fix.status()
(f13,) = (repair for repair in status.repairs if repair.fault == "F13")
print(status.installed, f13.state, " ".join(f13.reason.replace("\\\\n", " ").split()))
print(type(vars(UDPEndpoint)["open"]).__name__, waiting(), gates())
"""
    result = run(code)
    status, left = result.stdout.splitlines()
    assert (result.returncode, left) == (0, "function 0 0")
    assert status.startswith("False off could not be applied: ")
    assert result.stderr == (
        f"tribler_udp_fix: the repairs are not on ({reason}). "
        "To switch this off, set TRIBLER_UDP_FIX=0.\n"
    )
