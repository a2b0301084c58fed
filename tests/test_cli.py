"""The command line as a terminal user meets it: help, errors, pipes, completion."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tribler_udp_fix
from tribler_udp_fix._faults import FAULTS
from tribler_udp_fix.cli.parser import SHELLS, build_parser, command_parsers

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ["demo", "doctor", "run", "tribler", "completion"]

HELP = ["-h", "--help"]

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no such thing on Windows")


def environ(**variables: str) -> dict[str, str]:
    """This process's variables without those that change what is tested."""
    unset = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONUNBUFFERED")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TRIBLER_UDP_FIX") and name not in unset
    }
    # So that this Python's own name calls it: the path to it may be of any length.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    return {**kept, "PYTHONPATH": str(ROOT), "PATH": path, **variables}


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
        (["demo", "--peers"], "N, datagrams sent to each service, 10 to 1000"),
        (["demo", "--plot", "heard.png"], "end in .svg"),
        (["demo", "--plot", "no-such-folder/heard.svg"], "there is no folder 'no-such-folder'"),
        (["completion", "tcsh"], "bash"),
        (["run"], "name a script"),
        (["run", "-m"], "needs the name of a module"),
        (["run", "--verbose"], "-q, --quiet, -m"),
        (["tribler", "update"], "'install', 'uninstall', 'status'"),
        (["tribler", "install", "--dir"], "expected one argument"),
        (["tribler"], "'install', 'uninstall', 'status'"),
        (["completion"], "'bash', 'zsh', 'fish', 'powershell'"),
    ],
)
def test_a_bad_value_is_answered_with_what_is_allowed(words: list[str], allowed: str) -> None:
    result = cli(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert allowed in result.stderr
    assert words[-1] in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("words", "wrong", "near", "known"),
    [
        ("--verison", "--verison", "--version", "--help, --version"),
        ("demo --pears 5", "--pears", "--peers", "--peers, --seconds, --jobs"),
        ("demo --pears=5", "--pears", "--peers", "--peers, --seconds, --jobs"),
        ("doctor --jsn", "--jsn", "--json", "-h, --help, --json, --with-plugin"),
        ("doctor now", "now", "", "-h, --help, --json, --with-plugin"),
        ("run --quite x.py", "--quite", "--quiet", "-q, --quiet, -m"),
        ("completion bsh", "bsh", "bash", "'bash', 'zsh', 'fish', 'powershell'"),
        ("completion bash zsh", "zsh", "", "it takes SHELL"),
        ("tribler instal", "instal", "install", "'install', 'uninstall', 'status'"),
        ("tribler status --jsn", "--jsn", "--json", "--help, --dir, --json"),
    ],
)
def test_a_wrong_word_is_answered_by_its_own_command_with_the_nearest_that_is_allowed(
    words: str, wrong: str, near: str, known: str
) -> None:
    result = cli(*words.split())
    assert (result.returncode, result.stdout) == (2, "")
    usage, error = result.stderr.splitlines()[0], result.stderr.splitlines()[-1]
    command = " ".join(word for word in words.split() if word in (*COMMANDS, "status"))
    assert f"tribler_udp_fix {command}".strip() in usage
    assert repr(wrong) in error
    assert ("did you mean" in error) is bool(near)
    assert not near or f"did you mean {near!r}? " in error
    assert known in error


@pytest.mark.skipif(sys.platform == "win32", reason="tests/windows/test_doctor.py has the others")
def test_a_machine_without_a_proactor_is_healthy_and_told_which_faults_it_can_have() -> None:
    result = cli("doctor")
    assert (result.returncode, result.stderr) == (0, "")
    text = " ".join(result.stdout.split())
    assert "healthy: there is no ProactorEventLoop" in text
    assert "asyncio's own faults, F1, F2, " in text
    _, can = text.split("can occur on every platform")
    assert "F13 UDPEndpoint.open()" in can
    assert "F15 listeners never reach" in can
    assert "watched for F11 " in can
    report = json.loads(cli("doctor", "--json").stdout)
    assert [row["fault"] for row in report["not_tried"]] == [
        "F11",
        "F12",
        "F13",
        "F15",
        *(f"F{n}" for n in range(16, 23)),
    ]
    assert {trial["verdict"] for trial in report["trials"]} == {"absent"}


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
    assert [trial["fault"] for trial in report["trials"]] == list(FAULTS)


@pytest.mark.parametrize("words", [["doctor"], ["demo"]])
@pytest.mark.parametrize("module", ["rich", "rich.progress_bar"])
def test_what_is_drawn_with_rich_says_in_one_line_before_it_starts_that_there_is_none(
    words: list[str], module: str
) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from tribler_udp_fix import _trials\n"
        "_trials.run_trials = None\n"
        "from tribler_udp_fix.cli import demo, main\n"
        "demo.find_targets = None\n"
        f"sys.exit(main({words}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environ(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert (result.returncode, result.stdout) == (2, "")
    # As it is told in a clone, where Debian's pip refuses to install rich by itself.
    assert "`pip install .` in a virtual environment" in result.stderr
    assert ("-m tests.winlab demo has it" in result.stderr) is (words == ["demo"])
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


@pytest.mark.parametrize("size", ["²", "-1", "0", "wide", pytest.param("9" * 5000, id="long")])
def test_a_size_of_the_terminal_that_is_none_counts_as_unset(size: str) -> None:
    assert cli("doctor", COLUMNS=size, LINES=size).stdout == cli("doctor").stdout


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


def redirected(where: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with the shell's redirection *where*."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m tribler_udp_fix "$@" {where}', sys.executable, *words],
        cwd=ROOT,
        env=environ(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
    )


WRITING = [["--help"], ["--version"], ["completion", "bash"], ["doctor"], ["doctor", "--json"]]


@on_posix
@pytest.mark.parametrize("words", WRITING)
def test_a_stdout_that_is_closed_takes_what_is_printed(words: list[str]) -> None:
    result = redirected(">&-", *words)
    assert (result.returncode, result.stderr) == (cli(*words).returncode, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="nothing here is always full")
@pytest.mark.parametrize("words", WRITING)
def test_a_stdout_that_is_full_is_one_line_on_stderr(words: list[str]) -> None:
    result = redirected(">/dev/full", *words)
    told = f"the output could not be written: {os.strerror(errno.ENOSPC)}"
    assert (result.returncode, result.stderr) == (2, f"tribler-udp-fix: {told}\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_every_completion_script(shell: str) -> None:
    script = cli("completion", shell).stdout
    for name, parser in command_parsers(build_parser()).items():
        assert name in script
        for action in parser._actions:
            for option in action.option_strings:
                written = option.lstrip("-") if shell == "fish" else option
                assert written in script, (name, option)


ACTIONS_THEN_OPTIONS = {
    "bash": r"tribler\) words='install [a-z ]*-h ",
    "zsh": r"tribler\)\n +entries=\('install'[^-\n]*\)\n.*\n +entries=\('-h",
    "fish": r"from tribler' -k -a 'install [^-\n]*\n.*from tribler' -s h",
    "powershell": r"'tribler' = @\('install'[^-\n]*'-h'",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_completion_script_has_actions_before_options(shell: str) -> None:
    assert re.search(ACTIONS_THEN_OPTIONS[shell], cli("completion", shell).stdout)


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
    assert complete("completion", "") == [*SHELLS, *HELP]
    assert complete("run", "my") == ["my service.py"]
    assert complete("demo", "--plot", "my") == ["my service.py"]
    assert complete("demo", "--peers", "") == []
    offered = complete("tribler", "")
    options = [word for word in offered if word.startswith("-")]
    assert {*HELP, "--dir", "--json", "--no-browser"} <= set(options)
    assert {"install", "uninstall", "status", "check"} <= set(offered)
    assert offered[-len(options) :] == options  # actions first
    assert complete("tribler", "--dir", "my") == ["my service.py"]
