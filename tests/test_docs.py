"""Every block of code in the documents: programs are run, commands given to their parsers."""

from __future__ import annotations

import ast
import configparser
import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from tribler_udp_fix import Settings, testing
from tribler_udp_fix.cli import parser

from .documents import DOCUMENTS, ROOT, Block, all_blocks, blocks

BLOCKS = all_blocks()
PROGRAMS = [block for block in BLOCKS if block.kind == "python"]
COMMANDS = [block for block in BLOCKS if block.kind in ("console", "indented")]
# What is no code: what a program prints, one line of a file, a picture, another program's rules.
QUOTED = {"text", "mermaid", "yaml"}

EXTRAS = configparser.ConfigParser()
EXTRAS.read(ROOT / "setup.cfg")


def test_every_block_is_of_a_kind_that_is_tried_here() -> None:
    assert {block.kind for block in BLOCKS} <= {"python", "console", "indented"} | QUOTED
    assert not [str(block) for block in COMMANDS if not block.commands()]
    assert {str(block).partition(":")[0] for block in PROGRAMS} >= {
        "docs/api.md",
        "docs/testing.md",
    }


# Programs


class Program:
    """One that was written to a file and started, as its reader would."""

    def __init__(self, block: Block, folder: Path) -> None:
        file = folder / (block.file or "test_example.py")
        file.write_text(block.text, "utf-8")
        for other in blocks(block.document):
            if other.file:
                (folder / other.file).write_text(other.text, "utf-8")
        if re.search(r"^def test_", block.text, re.M):
            # The plugin by its module's name, for where the package is not installed.
            plugin = ["-p", "tribler_udp_fix.testing.pytest_plugin", "-p", "no:tribler_udp_fix"]
            how = ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *plugin]
        else:
            how = ["-W", "error"]
        self.process = subprocess.Popen(
            [*_in_loopback(), sys.executable, *how, str(file)],
            cwd=str(ROOT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )


def _in_loopback() -> list[str]:
    """Into a network of loopback alone where there is one: ports are free, and nothing leaves."""
    if sys.platform == "win32":
        return []
    from .winlab import network, places

    return network.Namespace(places.NAME).command()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[Block], subprocess.Popen[str]]]:
    if sys.platform != "win32":
        from .winlab import lay, pythons

        lay.lay(pythons.select(["3.12"]))
    running: list[subprocess.Popen[str]] = []

    def start(block: Block) -> subprocess.Popen[str]:
        if re.search(r"^(from|import) ipv8", block.text, re.M):
            pytest.importorskip("ipv8", exc_type=ImportError)
        running.append(Program(block, tmp_path).process)
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


SERVES = "asyncio.Event().wait()"  # for ever: it is talked to, and ended


@pytest.mark.parametrize("block", [b for b in PROGRAMS if SERVES not in b.text], ids=str)
def test_a_program_runs_to_its_end_as_it_stands(block: Block, started: Any) -> None:
    process = started(block)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_a_program_goes_over_a_copy_of_what_may_change_while_it_waits(block: Block) -> None:
    loops = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.For)]
    for node in loops:
        if any(isinstance(each, ast.Await) for each in ast.walk(node)):
            assert not isinstance(node.iter, ast.Attribute), ast.dump(node.iter)


@pytest.mark.parametrize("block", [b for b in PROGRAMS if SERVES in b.text], ids=str)
def test_a_server_answers_whoever_sends_to_it(block: Block, started: Any) -> None:
    process = started(block)
    port = int(process.stdout.readline().split()[-1])
    # A peer of its own, in the server's network.
    peer = (
        "import socket; peer = socket.socket(type=socket.SOCK_DGRAM); peer.settimeout(10); "
        f"peer.sendto(b'hello', ('127.0.0.1', {port})); print(peer.recv(99))"
    )
    answer = subprocess.check_output([*_in_loopback(), sys.executable, "-c", peer], text=True)
    assert answer.strip() == "b'hello'"


def test_an_editor_knows_the_types_of_the_communities(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    pytest.importorskip("ipv8", exc_type=ImportError)
    files = [block for block in blocks(ROOT / "docs" / "communities.md") if block.file]
    for block in files:
        (tmp_path / block.file).write_text(block.text, "utf-8")
    # As a developer has it: IPv8 has types, though it does not say so.
    how = ["--strict", "--follow-untyped-imports", "--follow-imports=silent", "--cache-dir=cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *how, *(block.file for block in files)],
        cwd=str(tmp_path),
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"no issues found in {len(files)} source files" in done.stdout


def test_a_plain_server_and_a_community_are_among_them() -> None:
    assert any(SERVES in block.text and "ipv8" not in block.text for block in PROGRAMS)
    assert any("(Community)" in block.text for block in PROGRAMS)


# Commands

VARIABLES = {"TRIBLER_UDP_FIX"} | {
    f"TRIBLER_UDP_FIX_{field.name.upper()}" for field in dataclasses.fields(Settings)
}
# Programs of the reader's own, or ones that are no part of this project.
OTHERS = {"my_service.py", "run_tribler.py", "git", "cd", "curl"}


# As the installer's own script has them in its head.
SETUP = ROOT / "tests" / "winlab" / "setup" / "setup.nsi"
SETUP_OPTIONS = set(re.findall(r"\[(/[A-Z]+)", SETUP.read_text("utf-8")))


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_a_command_is_one_that_its_program_takes(block: Block) -> None:
    for words in block.commands():
        _try(words)


def _try(words: list[str]) -> None:
    program, arguments = words[0], words[1:]
    if program in ("set", "export"):
        name = arguments[0].partition("=")[0]
        assert name in VARIABLES
    elif program.startswith("$env:"):
        assert program[len("$env:") :] in VARIABLES
    elif re.fullmatch(r"\w+=\S+", program):
        value = program.partition("=")[2]
        assert "/" not in value or (ROOT / value).exists()
    elif program == "tribler-udp-fix":
        _try_ours(arguments)
    elif program == "pip":
        _try_pip(arguments)
    elif re.fullmatch(r"py(thon)?(3(\.\d+)?)?", program):
        _try_python(arguments)
    elif program.endswith(("-setup.exe", "\\uninstall.exe")):
        assert {word.partition("=")[0] for word in arguments} <= SETUP_OPTIONS
    else:
        assert program in OTHERS, words


def _try_ours(arguments: list[str]) -> None:
    if arguments[:1] == ["run"]:  # what follows the program's name is the program's own
        ends = [end for end, word in enumerate(arguments, 1) if end > 1 and word[0] != "-"]
        arguments = arguments[: min(ends, default=None)]
    parser.build_parser().parse_args(arguments)


def _try_python(arguments: list[str]) -> None:
    if arguments[0] != "-m":
        assert arguments[0] in OTHERS or (ROOT / arguments[0]).exists(), arguments
        return
    module, rest = arguments[1], arguments[2:]
    if module == "pip":
        _try_pip(rest)
    elif module == "tribler_udp_fix":
        _try_ours(rest)
    elif module == "tests.winlab":
        _try_winlab(rest)
    else:  # each prints its help once it has read what stands before
        command = [sys.executable, "-m", module, *rest, "--help"]
        done = subprocess.run(command, cwd=str(ROOT), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        for option in (word for word in rest if word.startswith("--")):
            assert option in done.stdout


def _try_winlab(arguments: list[str]) -> None:
    from .winlab import __main__ as winlab

    own, rest = winlab.split(arguments)
    options = winlab.parser().parse_args(own)
    if options.command == "demo":
        _try_ours(["demo", *rest])
    if rest[:2] == ["-m", "tribler_udp_fix"]:
        _try_ours(rest[2:])


def _try_pip(arguments: list[str]) -> None:
    """The project comes from a clone, as long as no index has it."""
    assert arguments[0] in ("install", "uninstall", "show"), arguments
    if arguments[0] == "install":
        for word in arguments[1:]:
            assert not word.startswith("tribler_udp_fix"), "no release has been published"
            if found := re.fullmatch(r"\.\[([\w,]+)\]", word):
                assert set(found[1].split(",")) <= set(EXTRAS["options.extras_require"])


INLINE = re.compile(r"(?<!`)`((?:tribler-udp-fix|py -m|python -m|python3 -m|pip) [^`]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_command_in_the_middle_of_a_sentence_is_one_too(document: Path) -> None:
    for command in INLINE.findall(document.read_text("utf-8")):
        if re.search(r"[….]{3}|…|\b[A-Z]{3,}\b|\|", command):
            continue  # with a place for a word of the reader's
        block = Block(document, 0, "indented", command.replace("\n", " "))
        for words in block.commands():
            _try(words)


# What the documents promise


def test_the_extras_are_listed_each_of_them() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (`[\w`, ]+`) \| brings|^\| ((?:`\w+`(?:, )?)+) \|", text, re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", "".join(row))}
    assert named >= set(EXTRAS["options.extras_require"])


def test_the_page_of_the_faults_names_each() -> None:
    page = (ROOT / "docs" / "testing.md").read_text("utf-8")
    for name in testing.__all__:
        if name.islower():
            assert f"`{name}(" in page


LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_leads_to_what_is_there(document: Path) -> None:
    for target in LINK.findall(document.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.M)
            assert anchor in [_anchor(head) for head in heads], target


def _anchor(head: str) -> str:
    return re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
