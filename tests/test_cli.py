"""The command line as a terminal user meets it: help, errors, pipes, completion."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tribler_udp_fix
from tribler_udp_fix.cli.parser import SHELLS, build_parser, command_parsers

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ["demo", "doctor", "run", "tribler", "completion"]

HELP = ["-h", "--help"]

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no such thing on Windows")


def environ(**variables: str) -> dict[str, str]:
    """This process's variables without those that change what is tested."""
    unset = ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TRIBLER_UDP_FIX") and name not in unset
    }
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def cli(*words: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a pipe."""
    return subprocess.run(
        [sys.executable, "-m", "tribler_udp_fix", *words],
        cwd=cwd,
        env=environ(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_the_version_names_the_package_and_the_python() -> None:
    result = cli("--version")
    assert result.returncode == 0
    assert tribler_udp_fix.__version__ in result.stdout
    assert ".".join(map(str, sys.version_info[:3])) in result.stdout


def test_no_command_is_a_request_for_help() -> None:
    bare, asked = cli(), cli("--help")
    assert (bare.returncode, bare.stdout, bare.stderr) == (0, asked.stdout, "")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_examples_and_fits_a_terminal_of_80_columns(command: str) -> None:
    result = cli(*command.split(), "--help", COLUMNS="80")
    assert result.returncode == 0
    assert result.stdout.isascii()
    assert max(map(len, result.stdout.splitlines())) < 80
    assert "examples:" in result.stdout or "to switch it on:" in result.stdout


def test_the_help_lists_every_command_on_a_line_of_its_own() -> None:
    lines = cli("--help").stdout.splitlines()
    for command in COMMANDS:
        assert any(line.split()[:1] == [command] and len(line.split()) > 2 for line in lines)


@pytest.mark.parametrize(
    ("word", "hint"), [("dmeo", "'demo'"), ("docter", "'doctor'"), ("zzz", "demo, doctor, run")]
)
def test_an_unknown_command_gets_a_suggestion(word: str, hint: str) -> None:
    result = cli(word)
    assert (result.returncode, result.stdout) == (2, "")
    assert repr(word) in result.stderr
    assert hint in result.stderr


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["demo", "--peers", "5"], "whole number from 10 to 1000"),
        (["demo", "--peers", "ten"], "whole number from 10 to 1000"),
        (["demo", "--seconds", "nan"], "number from 1 to 60"),
        (["demo", "--jobs", "0"], "whole number from 1 to 6"),
        (["demo", "--plot", "heard.png"], "end in .svg"),
        (["demo", "--plot", "no-such-folder/heard.svg"], "there is no folder 'no-such-folder'"),
        (["completion", "tcsh"], "bash"),
        (["run"], "name a script"),
        (["run", "-m"], "needs the name of a module"),
        (["run", "--verbose"], "-q, --quiet, -m"),
        (["tribler", "update"], "'install', 'uninstall', 'status'"),
        (["tribler", "install", "--dir"], "expected one argument"),
    ],
)
def test_a_bad_value_is_answered_with_what_is_allowed(words: list[str], allowed: str) -> None:
    result = cli(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert allowed in result.stderr
    assert words[-1] in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="tests/windows/test_doctor.py has the others")
def test_a_machine_without_a_proactor_is_healthy() -> None:
    result = cli("doctor")
    assert (result.returncode, result.stderr) == (0, "")
    assert "healthy: there is no ProactorEventLoop" in result.stdout


def test_the_doctors_json_needs_no_rich_and_is_all_there_is_on_stdout() -> None:
    code = (
        "import sys; sys.modules['rich'] = None\n"
        "from tribler_udp_fix.cli import main; sys.exit(main(['doctor', '--json']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], env=environ(), capture_output=True, timeout=60
    )
    report = json.loads(result.stdout)
    assert result.returncode == report["exit_status"]
    assert report["tribler_udp_fix"] == tribler_udp_fix.__version__
    assert [trial["fault"] for trial in report["trials"]] == [f"F{n}" for n in range(1, 11)]


def test_the_doctor_says_in_one_line_that_it_draws_with_rich() -> None:
    code = (
        "import sys; sys.modules['rich'] = None\n"
        "from tribler_udp_fix.cli import main; sys.exit(main(['doctor']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environ(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert result.returncode == 2
    assert "pip install rich" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_doctor_installs_the_plugin_with_the_settings_of_the_environment() -> None:
    result = cli("doctor", "--json", "--with-plugin", TRIBLER_UDP_FIX_ERROR_BUDGET="250")
    assert json.loads(result.stdout)["status"]["settings"]["error_budget"] == 250


def test_the_doctor_names_no_path_and_no_address_of_the_machine() -> None:
    result = cli("doctor", "--json")
    assert str(Path.home()) not in result.stdout
    assert sys.prefix not in result.stdout


def test_a_pipe_gets_no_colours() -> None:
    assert "\x1b" not in cli("doctor").stdout


@on_posix
@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_told_not_to(
    variables: dict[str, str], coloured: bool
) -> None:
    pty: Any = importlib.import_module("pty")
    code = (
        "import sys; from rich.text import Text\n"
        "from tribler_udp_fix.cli.console import make_console\n"
        "make_console(sys.stdout).print(Text('deaf', 'red'))"
    )
    main, side = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", code],
        env=environ(TERM="xterm", **variables),
        stdin=subprocess.DEVNULL,
        stdout=side,
        timeout=60,
        check=True,
    )
    os.close(side)
    assert ("\x1b[31m" in os.read(main, 1000).decode()) is coloured
    os.close(main)


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252"])
def test_an_old_code_page_can_hold_what_is_printed(encoding: str) -> None:
    result = cli("doctor", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert result.stdout.isascii()
    assert "healthy" in result.stdout or "exposed" in result.stdout
    assert result.stderr == ""


@on_posix
@pytest.mark.parametrize("words", [["doctor", "--json"], ["completion", "bash"], ["--help"]])
def test_a_reader_that_has_had_enough_is_no_error(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [sys.executable, "-m", "tribler_udp_fix", *words],
        cwd=ROOT,
        env=environ(),
        stdout=write,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
    )
    os.close(write)
    assert result.stderr == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_every_completion_script(shell: str) -> None:
    script = cli("completion", shell).stdout
    for name, parser in command_parsers(build_parser()).items():
        assert name in script
        for action in parser._actions:
            for option in action.option_strings:
                written = option.lstrip("-") if shell == "fish" else option
                assert written in script, (name, option)


@on_posix
def test_the_bash_completion_parses_and_completes(tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(cli("completion", "bash").stdout)
    (tmp_path / "my service.py").write_text("")
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=60)

    def complete(*words: str) -> list[str]:
        code = (
            f'source "{script}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tribler_udp_fix; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        result = subprocess.run(
            ["bash", "-c", code, "bash", "tribler-udp-fix", *words],
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
        assert result.stderr == ""
        return [line for line in result.stdout.splitlines() if line]

    assert complete("d") == ["demo", "doctor"]
    assert complete("demo", "--p") == ["--python", "--peers", "--plot"]
    assert complete("completion", "") == [*HELP, *SHELLS]
    assert complete("run", "my") == ["my service.py"]
    assert complete("demo", "--plot", "my") == ["my service.py"]
    assert complete("demo", "--peers", "") == []
    options = ["--dir", "--json", "--no-browser"]
    actions = ["install", "uninstall", "status", "check"]
    assert complete("tribler", "") == [*HELP, *options, *actions]
    assert complete("tribler", "--dir", "my") == ["my service.py"]
