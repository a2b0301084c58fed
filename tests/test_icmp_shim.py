"""The shim from outside: how it is built, where it refuses to work, what it costs wineserver."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest

if sys.platform == "win32":
    pytest.skip("the shim is for Wine; Windows needs none", allow_module_level=True)

from .winlab import lay, network, places, process, tools
from .winlab.prefix import DLL_SOURCE, SHIM_SOURCE, Prefix
from .winlab.pythons import find

PYTHON = find("3.12")

UNREAD_ERRORS = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))
for _ in range(50):
    sock.sendto(b"?", ("127.0.0.1", 9))
print("queued", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def shim() -> Path:
    """The library, built."""
    return lay.lay([PYTHON]).shim


@pytest.fixture
def prefix(shim: Path) -> Iterator[Prefix]:
    """A Wine that nothing else runs in, so that its wineserver's work is this test's."""
    with network.loopback_namespace(places.NAME + "-alone") as namespace:
        made = Prefix(namespace, shim)
        made.start()
        yield made
        made.stop()


def compile_strictly(*command: object) -> None:
    strict = ("-shared", "-O2", "-Wall", "-Wextra", "-Werror")
    subprocess.run([*map(str, command), *strict], check=True, timeout=60)


def test_the_c_sources_compile_without_a_warning(shim, tmp_path):
    compile_strictly("gcc", "-fPIC", "-o", tmp_path / "shim.so", SHIM_SOURCE, "-ldl")
    compile_strictly(tools.MINGW, "-o", tmp_path / "prng.dll", DLL_SOURCE, "-ladvapi32")


def test_a_program_with_another_wine_ends_with_one_line_that_says_so(shim, tmp_path):
    other = tmp_path / "ntdll.so"
    source = tmp_path / "other.c"
    source.write_text("int other;\n")
    compile_strictly("gcc", "-fPIC", "-o", other, source)
    program = (
        "import ctypes, socket\n"
        f"ctypes.CDLL({str(other)!r})\n"
        "one, two = socket.socketpair()\n"
        "two.send(b'x')\n"
        "one.recvmsg(1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 70
    assert done.stderr == (
        "icmp_shim: ntdll.so's table of errno values is not the known one; "
        "the lab needs Debian 12's Wine 8.0 for x86-64\n"
    )


def test_wineserver_sleeps_while_errors_wait_that_nobody_reads(prefix):
    with process.start(PYTHON, prefix, ["-c", UNREAD_ERRORS], stdin=subprocess.PIPE) as program:
        try:
            assert program.stdout
            assert program.stdout.readline().strip() == b"queued"
            server = wineserver(prefix)
            processor_before, wake_ups_before = work(server)
            time.sleep(2)
            processor, wake_ups = work(server)
        finally:
            process.kill(program)
    # Without the shim's care: 2 s of processor time, or a wake-up each millisecond.
    assert processor - processor_before < 0.2
    assert wake_ups - wake_ups_before < 400


def wineserver(prefix: Prefix) -> Path:
    """The folder of /proc of the prefix's wineserver."""
    wanted = f"WINEPREFIX={prefix.folder}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text()
            if name.startswith("wineserver") and wanted in (folder / "environ").read_bytes():
                return folder
        except OSError:
            continue  # it has just ended
    raise AssertionError(f"no wineserver of {prefix.folder}")


def work(folder: Path) -> tuple[float, int]:
    """The seconds of processor time that a process has used, and how often it woke up."""
    ticks = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
    status = (folder / "status").read_text()
    wake_ups = status.partition("\nvoluntary_ctxt_switches:")[2].split()[0]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), int(wake_ups)
