"""The startup hook as pip installed it into this very Python, firing in its child processes."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DETACHED_PROCESS = 8

HOOK_ALONE = [
    "tribler_udp_fix",
    "tribler_udp_fix._imports",
    "tribler_udp_fix._startup",
    "tribler_udp_fix._switch",
]

PRELUDE = """\
import sys
def ours():
    return [n for n in sys.modules if n.partition(".")[0] in ("tribler_udp_fix", "wrapt")]
def repaired():
    import tribler_udp_fix
    status = tribler_udp_fix.status()
    return status.installed and any(repair.state == "applied" for repair in status.repairs)
"""


def run(
    folder: Path, code: str, value: str | None, *options: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the prelude and *code* in a child of this Python, TRIBLER_UDP_FIX set to *value*."""
    environ = {
        name: text
        for name, text in os.environ.items()
        if not name.upper().startswith(("TRIBLER_UDP_FIX", "PYTHON"))
    }
    if value is not None:
        environ["TRIBLER_UDP_FIX"] = value
    return subprocess.run(
        [sys.executable, *options, "-c", PRELUDE + code],
        cwd=str(folder),  # not the checkout: what is installed shall be imported
        env={**environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def output(
    folder: Path, code: str, value: str | None, *options: str, **variables: str
) -> list[str]:
    """Return the lines that *code* prints, having asserted that nothing went wrong."""
    result = run(folder, code, value, *options, **variables)
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout.splitlines()


def test_pip_recorded_the_hook_of_this_checkout_among_the_packages_files() -> None:
    files = importlib.metadata.files("tribler_udp_fix") or []
    (hook,) = [file for file in files if file.name == "tribler_udp_fix.pth"]
    assert hook.read_binary() == (ROOT / "tribler_udp_fix.pth").read_bytes()


@pytest.mark.parametrize("value", [None, "0", " Off "])
def test_with_the_hook_off_nothing_of_ours_is_imported_at_start_nor_with_asyncio(
    tmp_path: Path, value: str | None
) -> None:
    assert output(tmp_path, "print(ours()); import asyncio; print(ours())", value) == ["[]", "[]"]


@pytest.mark.parametrize("value", ["1", " Yes "])
def test_with_the_hook_on_asyncio_is_repaired_when_the_program_makes_a_loop_and_not_before(
    tmp_path: Path, value: str
) -> None:
    code = """
print("asyncio" in sys.modules, sorted(ours()))
import asyncio
print(sorted(ours()) == HOOK_ALONE)
asyncio.new_event_loop().close()
print("wrapt" in sys.modules, repaired())
"""
    assert output(tmp_path, f"HOOK_ALONE = {HOOK_ALONE}\n{code}", value) == [
        f"False {HOOK_ALONE}",
        "True",
        "True True",
    ]


@pytest.mark.parametrize(
    "start",
    [
        "asyncio.run(main())",
        "asyncio.new_event_loop().run_until_complete(main())",
        "asyncio.ProactorEventLoop().run_until_complete(main())",
        "asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())",
    ],
)
def test_the_first_endpoint_of_the_first_loop_is_a_repaired_one(tmp_path: Path, start: str) -> None:
    code = f"""
import asyncio
async def main():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    print(type(transport).__module__.partition(".")[0])
    print(vars(type(loop._proactor))["recvfrom"].__wrapped__.__module__)
    transport.close()
    await asyncio.sleep(0)
{start}
"""
    assert output(tmp_path, code, "1") == ["tribler_udp_fix", "asyncio.windows_events"]


def test_a_loop_that_a_module_makes_while_it_is_imported_is_repaired(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text("import asyncio\nloop = asyncio.new_event_loop()\n")
    code = """
import early
print("tribler_udp_fix._install" in sys.modules, repaired())
"""
    assert output(tmp_path, code, "1") == ["True True"]


def test_the_status_of_a_program_that_has_only_imported_asyncio_is_that_of_the_installed_repairs(
    tmp_path: Path,
) -> None:
    code = """
from asyncio import windows_events, proactor_events
print(repaired(), windows_events.ProactorEventLoop is sys.modules["asyncio"].ProactorEventLoop)
"""
    assert output(tmp_path, code, "on") == ["True True"]


def test_another_value_is_one_warning_and_leaves_asyncio_as_it_is(tmp_path: Path) -> None:
    result = run(tmp_path, "import asyncio; print(repaired())", "maybe")
    assert (result.returncode, result.stdout) == (0, "False\n")
    assert result.stderr.count("\n") == 1
    assert "TRIBLER_UDP_FIX='maybe': allowed are 1, true, yes, on (on)" in result.stderr


def test_children_and_isolated_interpreters_are_repaired_as_well(tmp_path: Path) -> None:
    child = PRELUDE + "import asyncio; print(repaired())"
    code = f"""
import subprocess
for options in ([], ["-I"]):
    command = [sys.executable, *options, "-c", {child!r}]
    print(subprocess.check_output(command, stdin=subprocess.DEVNULL).decode().strip())
"""
    assert output(tmp_path, code, "true") == ["True", "True"]


def test_a_setting_of_the_environment_reaches_the_repairs(tmp_path: Path) -> None:
    code = "import asyncio, tribler_udp_fix; print(tribler_udp_fix.status().settings.error_budget)"
    assert output(tmp_path, code, "1", TRIBLER_UDP_FIX_ERROR_BUDGET="77") == ["77"]


def test_a_bad_setting_warns_once_keeps_the_default_and_the_repairs_are_on(tmp_path: Path) -> None:
    code = """
import asyncio, os, tribler_udp_fix
print(tribler_udp_fix.status().settings == tribler_udp_fix.Settings.from_environ(os.environ))
print(tribler_udp_fix.status().settings == tribler_udp_fix.Settings(), repaired())
"""
    result = run(tmp_path, code, "1", TRIBLER_UDP_FIX_ERROR_BUDGET="lots")
    assert (result.returncode, result.stdout) == (0, "True\nTrue True\n")
    assert result.stderr.count("\n") == 1
    assert "TRIBLER_UDP_FIX_ERROR_BUDGET='lots': allowed is a whole number" in result.stderr


ASYNCIO_WITH_A_BROKEN_WRAPT = """
import asyncio
async def program():
    return "the program goes on"
answer = asyncio.run(program())
"""


def _break_wrapt(folder: Path, source: str = "raise OSError('this wrapt\\nis broken')\n") -> None:
    (folder / "wrapt.py").write_text(source)


@pytest.mark.parametrize(
    ("wrapt", "reason"),
    [
        ("raise OSError('this wrapt\\nis broken')\n", "OSError: this wrapt is broken"),
        ("raise ImportError('No module')\n", "ImportError: No module"),
        (
            "__version__ = '1.14.1'\n",
            "ImportError: wrapt 1.14.1 is too old, 1.16 or later is needed",
        ),
    ],
    ids=["broken", "missing", "too old"],
)
def test_a_wrapt_that_cannot_be_used_is_one_line_with_the_way_to_switch_it_off(
    tmp_path: Path, wrapt: str, reason: str
) -> None:
    _break_wrapt(tmp_path, wrapt)
    code = (
        ASYNCIO_WITH_A_BROKEN_WRAPT
        + """
print(answer, repaired())
repairs = sys.modules["tribler_udp_fix"].status().repairs
states = {(repair.state, repair.reason) for repair in repairs
          if repair.fault in ("F1", "F3", "F4", "loop")}
print(states)
"""
    )
    result = run(tmp_path, code, "1")
    goes_on, states = result.stdout.splitlines()
    assert (result.returncode, goes_on) == (0, "the program goes on False")
    assert states.startswith("{('off', ")
    assert "could not be applied: " in states
    assert result.stderr == (
        f"tribler_udp_fix: the repairs are not on ({reason}). "
        "To switch this off, set TRIBLER_UDP_FIX=0.\n"
    )


def test_a_failure_inside_the_hook_of_a_program_without_stderr_is_silent(tmp_path: Path) -> None:
    _break_wrapt(tmp_path)
    code = "sys.stderr = None\n" + ASYNCIO_WITH_A_BROKEN_WRAPT + "print(answer, repaired())"
    assert output(tmp_path, code, "1") == ["the program goes on False"]


def test_a_program_without_a_console_starts_whatever_the_variable_says(tmp_path: Path) -> None:
    """pythonw.exe, in which sys.stderr is None when the hook wants to warn."""
    pythonw = Path(sys.executable).with_name("pythonw.exe")
    code = "import sys, asyncio; open(sys.argv[1], 'w').write(repr(sys.stderr))"
    told = tmp_path / "stderr.txt"
    environ = {**os.environ, "TRIBLER_UDP_FIX": "maybe"}
    command = [str(pythonw), "-c", code, str(told)]
    program = subprocess.run(command, env=environ, creationflags=DETACHED_PROCESS, timeout=60)
    assert program.returncode == 0
    assert told.read_text() == "None"
