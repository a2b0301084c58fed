"""What the lab, and the programs that need it, refuse in one line before anything is laid."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from tribler_udp_fix.cli import invocation

from .lab_command import winlab
from .winlab import entry, places, pythons

# Without root's rights, but for reading: the Python that runs this may be in root's home.
USER = (
    "setpriv",
    *("--reuid=1000", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--peers", "3"), "'3' is not allowed: give a whole number from 10 to 1000"),
        (("--plot", "heard.png"), "'heard.png' is not allowed: the name must end in .svg"),
        (("--jsn",), "there is no option '--jsn': did you mean '--json'?"),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else "",
)
def test_a_wrong_argument_of_the_demo_is_told_before_the_lab_is_laid(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    told: str,
) -> None:
    from .winlab import __main__, lay

    monkeypatch.chdir(places.ROOT)
    monkeypatch.setattr(invocation, "_in_lab", False)  # which it sets, and other tests may not see
    monkeypatch.setattr(lay, "lay_venv", lambda *_: pytest.fail("it has been laid"))
    with pytest.raises(SystemExit) as ended:
        __main__.main(["demo", *arguments])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert told in err
    assert "\npython3 -m tests.winlab demo: error: " in err


def test_without_rich_the_demo_ends_by_the_name_that_it_has_in_the_lab() -> None:
    # As `demo` is started in the lab's environment, where there is rich but for this.
    code = (
        "import runpy, sys; sys.modules['rich'] = None\n"
        "runpy.run_module('tests.winlab.demo', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=places.ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("python3 -m tests.winlab demo: drawing needs rich (")


def test_the_demo_runs_in_the_labs_environment_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from .winlab import __main__

    started: list[list[str]] = []

    def in_venv(command: list[str], _: object) -> int:
        started.append(command)
        return 0

    monkeypatch.chdir(places.ROOT)
    monkeypatch.setattr(invocation, "_in_lab", False)
    monkeypatch.setattr(__main__, "_in_venv", in_venv)
    assert __main__.main(["demo", "--json"]) == 0
    assert started == [["-m", "tests.winlab.demo", "--json"]]


def test_newest_has_a_help_of_its_own_and_does_nothing_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from .winlab import __main__

    monkeypatch.setattr(__main__, "_newest", lambda _: pytest.fail("it has begun"))
    with pytest.raises(SystemExit) as ended:
        __main__.main(["newest", "--help"])
    assert not ended.value.code
    told = capsys.readouterr().out
    assert told.startswith("usage: python3 -m tests.winlab newest [ARGUMENT ...]\n")
    assert len(told.splitlines()) < 20
    assert __main__.split(["newest", "--", "--help"]) == (["newest"], ["--help"])


def test_the_demos_help_says_how_many_pythons_it_runs() -> None:
    done = winlab("demo", "--help")
    assert done.stdout.startswith("usage: python3 -m tests.winlab demo [-h]")
    assert "  python3 -m tests.winlab demo --plot heard.svg\n" in done.stdout
    assert "tribler_udp_fix" not in done.stdout
    assert "nine Windows Pythons in its lab, three of which are" in " ".join(done.stdout.split())
    assert (len(pythons.PYTHONS) + len(pythons.OVERLAYS), len(pythons.OVERLAYS)) == (9, 3)


@as_root
@pytest.mark.parametrize(
    "words", ["benchmarks", "benchmarks --rounds 1", "simulation --against-lab"]
)
def test_what_needs_the_lab_says_in_one_line_that_it_needs_root(words: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    arguments = [*words.split(), "--output", str(tmp_path)]
    done = subprocess.run(
        [*USER, sys.executable, "-m", *arguments],
        cwd=places.ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"needs root for its network namespaces: run `sudo python3 -m {words} " in done.stderr


@as_root
def test_an_installer_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for out, before, told in (
        (tmp_path / "dist", USER, "Permission denied"),
        (Path(os.devnull, "dist"), (), "Not a directory"),
    ):
        done = winlab("setup", "--out", str(out), before=before)
        expected = f"winlab: {out} is no folder to write to: {told}\n"
        assert (done.returncode, done.stderr) == (2, expected)


def test_a_wheel_that_cannot_be_carried_is_refused_in_one_line_before_anything_is_made(
    tmp_path: Path,
) -> None:
    (text := tmp_path / "text.whl").write_text("no zip file")
    for wheel, told in (
        ("nosuch.whl", "there is no file nosuch.whl"),
        (text, f"{text} is no wheel"),
    ):
        done = winlab("setup", "--wheel", str(wheel), "--out", str(tmp_path / "dist"))
        assert (done.returncode, done.stderr) == (2, f"winlab: {told}\n")
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_what_this_user_may_not_write_is_one_line(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: object) -> int:
        raise OSError(number, os.strerror(number), "/a/file")

    monkeypatch.setattr(sys, "argv", ["winlab"])
    assert entry.start(refused) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("winlab: ")
    assert "'/a/file'" in told
