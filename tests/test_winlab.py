"""What the lab promises about the Windows Pythons that it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from .lab_command import COMMAND, processes, python312, winlab
from .winlab import lay, places, pythons

BUILDS = ["3.8.10", "3.9.13", "3.10.11", "3.11.9", "3.12.9", "3.13.2"]
VERSIONS = [*BUILDS, "3.14.2", "3.15.0rc1", "3.16.0"]


@pytest.fixture(scope="module", autouse=True)
def laid() -> None:
    lay.lay(pythons.select(None))


def test_list_names_the_windows_pythons_and_then_what_newest_fetched() -> None:
    every = json.loads(winlab("list", "--json").stdout)
    rows, fetched = every[: len(VERSIONS)], every[len(VERSIONS) :]
    assert [row["version"] for row in rows] == VERSIONS
    assert all(row["laid"] for row in rows)
    assert all(row["tag"].startswith("newest-") for row in fetched)
    lines = winlab("list").stdout.splitlines()[: len(VERSIONS)]
    assert [line.split()[:3] for line in lines] == [
        [row["version"], row["tag"], "laid"] for row in rows
    ]


@pytest.mark.parametrize("version", BUILDS)
def test_run_starts_the_windows_python_of_that_version(version: str) -> None:
    code = """
import ctypes, json, os, platform, ssl, sys
platform.uname()  # asks _wmi from 3.12 on, in which Wine dies
print(json.dumps([platform.python_version(), sys.platform, os.environ["WINLAB"]]))
"""
    minor = version.rpartition(".")[0]
    for name in (version, minor):
        done = winlab("run", name, "-c", code)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout) == [version, "win32", "1"]


@pytest.mark.parametrize("python", pythons.PYTHONS, ids=str)
def test_each_python_has_the_project_and_its_packages_as_pip_installs_them(
    python: pythons.WindowsPython,
) -> None:
    code = """
import importlib.metadata, json
print(json.dumps({d.metadata["Name"].lower().replace("_", "-"): d.version
                  for d in importlib.metadata.distributions()}))
import ipv8.messaging.interfaces.udp.endpoint
import pytest, rich, wrapt
"""
    # Isolated: neither the checkout nor a variable may stand in for what is installed.
    done = winlab("run", python.minor, "-I", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    installed = json.loads(done.stdout)
    assert installed.pop("tribler-udp-fix")
    lines = [line for line in python.packages.read_text().splitlines() if "==" in line]
    assert installed == dict(line.split(" ")[0].split("==") for line in lines)
    assert (python.site_packages / "tribler_udp_fix.pth").read_bytes() == (
        places.ROOT / "tribler_udp_fix.pth"
    ).read_bytes()


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
def test_ipv8_and_its_keys_work_where_the_list_promises_them(version: str) -> None:
    code = """
from ipv8.keyvault.crypto import default_eccrypto as crypto
import ipv8_service
key = crypto.generate_key("curve25519")
print(crypto.is_valid_signature(key.pub(), b"text", crypto.create_signature(key, b"text")))
"""
    done = winlab("run", version, "-c", code)
    assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr


def test_a_python_loads_nothing_of_the_lab_the_project_or_wrapt_by_itself() -> None:
    names = python312("import sys; print(*sys.modules)").stdout.split()
    assert not [n for n in names if n.partition(".")[0] in ("tribler_udp_fix", "wrapt", "tests")]
    bare = python312("import sys; print(*sys.modules)", env={**os.environ, "PYTHONPATH": ""})
    assert bare.stdout.split() == names


def test_the_startup_hook_fires_from_the_installed_pth() -> None:
    code = "import sys, asyncio; print('tribler_udp_fix' in sys.modules)"
    env = {**os.environ, "TRIBLER_UDP_FIX": "1"}
    assert winlab("run", "3.12", "-I", "-c", code, env=env).stdout.strip() == "True"


def test_run_passes_on_arguments_status_and_both_streams() -> None:
    code = "import sys; print(sys.argv[1:]); print('bad', file=sys.stderr); sys.exit(7)"
    done = python312(code, "a b", '"', "--help", "ü")
    assert done.returncode == 7
    assert done.stdout.strip() == "['a b', '\"', '--help', 'ü']"
    assert done.stderr.strip() == "bad"


def test_run_reads_and_writes_plain_files(tmp_path: Path) -> None:
    # With a plain file for a stream, Windows Pythons under Wine die of "Invalid handle".
    source, out, err = tmp_path / "in", tmp_path / "out", tmp_path / "err"
    source.write_text("x" * 100_000)
    code = "import sys; print(len(sys.stdin.read())); print('e' * 100_000, file=sys.stderr)"
    with source.open() as i, out.open("w") as o, err.open("w") as e:
        assert python312(code, stdin=i, stdout=o, stderr=e).returncode == 0
    assert out.read_text().strip() == "100000"
    assert err.read_text().strip() == "e" * 100_000


def test_run_streams_as_the_program_speaks_and_listens() -> None:
    code = "for _ in range(3): print('heard', input())"
    with subprocess.Popen(
        [*COMMAND, "run", "3.12", "-c", code],
        cwd=places.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as talk:
        assert talk.stdin
        assert talk.stdout
        for word in ("one", "two", "three"):
            talk.stdin.write(word + "\n")
            assert talk.stdout.readline().split() == ["heard", word]
    assert talk.returncode == 0


def test_run_ends_when_nobody_reads_what_it_says_any_more() -> None:
    with subprocess.Popen(
        [*COMMAND, "run", "3.12", "-c", "while True: print('x' * 1000)"],
        cwd=places.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as running:
        assert running.stdout
        assert running.stdout.read(1) == b"x"
        running.stdout.close()
        assert running.wait(20) != 0


def test_run_delivers_all_of_it_to_a_slow_reader() -> None:
    with subprocess.Popen(
        [*COMMAND, "run", "3.12", "-c", "print('x' * 1_000_000)"],
        cwd=places.ROOT,
        stdout=subprocess.PIPE,
    ) as running:
        time.sleep(3)  # by now the Windows Python has written what the pipes hold
        assert running.stdout
        assert len(running.stdout.read().strip()) == 1_000_000
    assert running.returncode == 0


def test_run_ends_with_its_program_whatever_that_left_behind() -> None:
    code = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
print("done")
"""
    start = time.monotonic()
    assert python312(code).stdout.strip() == "done"
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_an_interrupt_kills_the_windows_python_and_its_children(number: signal.Signals) -> None:
    mark = f"interrupted-{os.getpid()}-{number}"
    code = f"""
import subprocess, sys, time
child = "print(1, flush=True); import time; time.sleep(99)"
subprocess.Popen([sys.executable, "-c", child, "{mark}"])
time.sleep(99)
"""
    with subprocess.Popen(
        [*COMMAND, "run", "3.12", "-c", code], cwd=places.ROOT, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout
        assert running.stdout.readline()
        assert len(processes(mark)) == 3  # the lab, the Windows Python, its child
        running.send_signal(number)
        assert running.wait(20) == 130
    until(lambda: not processes(mark))


def until(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_plugins_variables_reach_the_python_and_the_calling_pythons_do_not() -> None:
    env = {
        **os.environ,
        "TRIBLER_UDP_FIX": "1",
        "TRIBLER_UDP_FIX_ERROR_BUDGET": "7",
        "PYTHONHOME": "",
        "PYTHONSTARTUP": "/nowhere.py",
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONPATH": f"{places.ROOT}:/some/where",
        "VIRTUAL_ENV": "/some/venv",
    }
    code = """
import json, os
print(json.dumps({k: v for k, v in os.environ.items() if k[:6] in ("PYTHON", "TRIBLE", "VIRTUA")}))
"""
    seen = json.loads(python312(code, env=env).stdout)
    assert seen == {
        "TRIBLER_UDP_FIX": "1",
        "TRIBLER_UDP_FIX_ERROR_BUDGET": "7",
        "PYTHONASYNCIODEBUG": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": places.windows_path(places.ROOT) + ";Z:\\some\\where",
        "PYTHONPYCACHEPREFIX": "C:\\pycache",
        "PYTHONUNBUFFERED": "1",
    }
