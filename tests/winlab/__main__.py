"""The command line of the Windows lab: python3 -m tests.winlab."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Sequence

from . import entry, places, venv, wanted
from .pythons import OVERLAYS, PYTHONS, WindowsPython, allowed, find, newest, select

SECOND_CHANCES = 3  # of some eight thousand tests

EPILOG = """\
examples:
  python3 -m tests.winlab demo                    a UDP service, without and with the plugin
  python3 -m tests.winlab test                    every test, on every Windows Python
  python3 -m tests.winlab test --quick            what tells the most, in some minutes
  python3 -m tests.winlab test -k receive         those with this word in their name
  python3 -m tests.winlab run 3.12 -c "import sys; print(sys.version)"
  python3 -m tests.winlab run 3.8 -m tribler_udp_fix doctor
  python3 -m tests.winlab setup --out dist         the installer for Windows

`COMMAND --help` tells more of each. Other programs of the lab, each with its own --help:
  python3 -m tests.winlab.catalogue               every fault on every Windows Python
  python3 -m tests.winlab.healing                 how long each fault leaves IPv8's endpoints deaf
  python3 -m tests.winlab.soak                    every fault at random, while two IPv8s talk
  python3 -m tests.winlab.relock                  renews the pinned packages
"""
NEWEST_EPILOG = """\
It downloads them, and ends with a table; the arguments are pytest's, such as -k receive:
`newest -- --help` shows its help.
"""
TEST_EPILOG = """\
--quick runs Linux' tests and one Windows Python's most telling ones; without it every
test runs. --windows-python 3.12 selects a Windows Python; --windows-jobs,
--windows-timeout and --second-chances are the lab's too: three tests may fail, if by
themselves they then pass; they are shown. The rest is pytest's: `test -- --help` shows its help.
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="python3 -m tests.winlab",
        description="Real Windows Pythons under Wine, cut off from every network but loopback.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    # `demo`, `test`, `newest` and `run` pass on whatever follows: see split().
    add("demo", "run `tribler-udp-fix demo` with the arguments that follow")
    testing = add("test", "run pytest with the arguments that follow")
    testing.epilog, testing.usage = TEST_EPILOG, "python3 -m tests.winlab test [ARGUMENT ...]"
    newest_run = add("newest", "run the asyncio tests on what Debian's sid and forky have today")
    newest_run.epilog = NEWEST_EPILOG
    newest_run.usage = "python3 -m tests.winlab newest [ARGUMENT ...]"
    laying = add("lay", "lay the lab, or what of it is missing or out of date")
    laying.add_argument(
        "--python", action="append", metavar="VERSION", help=f"only this one: {allowed()}"
    )
    listing = add("list", "list the Windows Pythons")
    listing.add_argument("--json", action="store_true", help="as JSON")
    running = add("run", "run a Windows Python with the arguments that follow its version")
    running.add_argument(
        "--network",
        choices=("loopback", "router"),
        default="loopback",
        help="loopback alone, or host A of two hosts with a router between them",
    )
    running.add_argument("version", metavar="VERSION", help=allowed())
    building = add("setup", "build the installer for Windows, and print its SHA-256")
    building.add_argument(
        "--out", type=Path, default=Path("dist"), metavar="DIR", help="where to (default: dist)"
    )
    building.add_argument(
        "--wheel", type=Path, metavar="FILE", help="the wheel to carry (default: the checkout's)"
    )
    add("down", "stop the lab's wineservers and remove its network namespaces")
    return top


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the lab's own arguments from those that it passes on."""
    own, rest = list(arguments), []
    if own[:1] in (["demo"], ["test"], ["newest"]):
        own, rest = own[:1], own[1:]
        if own != ["demo"] and rest[:1] in (["-h"], ["--help"]):
            own, rest = own + rest, []
    elif own[:1] == ["run"]:
        end = 1
        while end < len(own) and own[end].startswith("-"):
            end += 2 if own[end] == "--network" else 1
        own, rest = own[: end + 1], own[end + 1 :]
    return own, rest[1:] if rest[:1] == ["--"] else rest


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; what comes back is the exit status."""
    own, rest = split(arguments)
    return _do(parser().parse_args(own), rest)


def _do(options: argparse.Namespace, rest: list[str]) -> int:
    if options.command == "demo":
        return _demo(rest)
    if options.command == "test":
        return _test(rest)
    if options.command == "newest":
        return _newest(rest)
    if options.command == "list":
        return _list(options.json)
    if options.command == "setup":
        return _setup(options.out, options.wheel)
    from . import lay, process

    if options.command == "lay":
        lay.lay(select(options.python))
    elif options.command == "down":
        lay.down()
    else:
        python = find(options.version)
        return process.run(python, lay.lay([python], options.network), rest)
    return 0


def _demo(arguments: list[str]) -> int:
    from tribler_udp_fix.cli import invocation
    from tribler_udp_fix.cli.parser import build_parser

    invocation.pass_for_the_lab()
    os.chdir(places.ROOT)  # where it will run, and where its files' names begin
    # Its help, and what is not allowed, end here: for neither need anything be laid.
    build_parser().parse_args(["demo", *arguments])
    return _in_venv(
        ["-m", "tests.winlab.demo", *arguments],
        () if sys.platform == "win32" else wanted.by_demo(arguments),
    )


def _test(arguments: list[str]) -> int:
    if sys.platform == "win32":
        return _in_venv(["-m", "pytest", *arguments], ())
    chances = f"--second-chances={SECOND_CHANCES}"
    return _in_venv(["-m", "pytest", chances, *arguments], wanted.by_pytest(arguments))


def _in_venv(arguments: list[str], pythons: Sequence[WindowsPython]) -> int:
    from . import lay

    lay.lay_venv(pythons)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(venv.PYTHON), *arguments]
    os.chdir(places.ROOT)
    if sys.platform != "win32":
        os.execve(command[0], command, env)  # signals and the exit status are then its own
    return subprocess.call(command, env=env)


def _newest(arguments: list[str]) -> int:
    from . import lay, newest

    lay.require()
    lay.lay_venv()
    return newest.run(arguments)


def _setup(out: Path, wheel: Path | None) -> int:
    from .setup import build

    made = build.build(out, wheel)
    print(f"{build.sha256(made)}  {made}")
    return 0


def _list(as_json: bool) -> int:
    rows = [
        {
            "version": python.version,
            "tag": python.tag,
            "laid": (python.folder / "laid.stamp").exists(),
            "pyipv8": python.ipv8,
        }
        for python in (*PYTHONS, *OVERLAYS, *newest())
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        laid = "laid" if row["laid"] else "not laid"
        print(f"{row['version']:<9} {row['tag']:<15} {laid:<9} pyipv8 {row['pyipv8']}")
    return 0


if __name__ == "__main__":
    sys.exit(entry.start(main))
