"""The arguments of every command, with their help."""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from typing import Any, Callable, Sequence

from tribler_udp_fix import __version__
from tribler_udp_fix.cli import tribler_arguments
from tribler_udp_fix.cli.arguments import Parser, allowed
from tribler_udp_fix.cli.invocation import PROGRAM, WIDTH, as_called, program

SHELLS = ("bash", "zsh", "fish", "powershell")

_DESCRIPTION = """\
Keeps asyncio's UDP endpoints receiving on Windows. Programs opt in with the
environment variable TRIBLER_UDP_FIX=1, or are started by "run"."""

_EXAMPLES = """\
examples:
  tribler-udp-fix demo               a UDP service without and with the plugin
  tribler-udp-fix doctor             what this Python suffers from
  tribler-udp-fix doctor --json      the same, to attach to a bug report
  tribler-udp-fix run my_service.py  a program with the plugin on
  tribler-udp-fix tribler install    the installed Tribler with the plugin on
"""

_DEMO = """\
Runs an echo service twice on each Python, without and with the plugin, and
draws what it hears. Some of its peers depart before their answer comes;
without the plugin the service stops receiving at the first ones. On Windows
this is tried on the Python that runs the command; on Linux, from a clone of
the project, on nine Windows Pythons in its lab, three of which are 3.13.2
with a newer asyncio."""

_DEMO_EXAMPLES = """\
examples:
  tribler-udp-fix demo
  tribler-udp-fix demo --python 3.12 --python 3.13
  tribler-udp-fix demo --plot heard.svg
  tribler-udp-fix demo --json > heard.json

exit status: 0 every protected service heard every datagram; 1 one lost a
datagram or did not run; 2 nothing could be tried.
"""

_DOCTOR = """\
Tries each known fault of asyncio's UDP on Windows live, on the loopback
interface, and says which this Python suffers from and which repairs are on.
Takes about three seconds."""

_DOCTOR_EXAMPLES = """\
examples:
  tribler-udp-fix doctor
  tribler-udp-fix doctor --with-plugin    would the plugin help here?
  tribler-udp-fix doctor --json           attach this to a bug report

exit status: 0 healthy, 1 exposed, 2 could not tell.
"""

_RUN = """\
Runs a program as "python SCRIPT args" or "python -m MODULE args" would, with
the plugin on, for the program and for the Pythons it starts."""

_RUN_EXAMPLES = """\
examples:
  tribler-udp-fix run my_service.py --port 8090
  tribler-udp-fix run -m my_package
  tribler-udp-fix run -- my_service.py

exit status: the program's own; 2 when there is no such program.
"""

_COMPLETION_EXAMPLES = """\
to switch it on:
  bash, in ~/.bashrc:
    eval "$(tribler-udp-fix completion bash)"
  zsh, in ~/.zshrc after compinit:
    eval "$(tribler-udp-fix completion zsh)"
  fish, in config.fish:
    tribler-udp-fix completion fish | source
  PowerShell, in $PROFILE:
    tribler-udp-fix completion powershell | Out-String | Invoke-Expression
"""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Leaves room for the longest command's name, which argparse measures without its indent."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **options)
        self._action_max_length = len("    completion")


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; ``command`` is None when none was given."""
    parser = Parser(
        prog=program(),
        description=_DESCRIPTION,
        epilog=as_called(_EXAMPLES),
        formatter_class=_Help,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"{PROGRAM} {__version__} (Python {platform.python_version()})",
        help="print the version and exit",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_demo(commands)
    _add_doctor(commands)
    _add_run(commands)
    tribler_arguments.add(commands, _add_command)
    _add_completion(commands)
    return parser


def check_command(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """End with a suggestion when the first word is no command."""
    if not words or words[0].startswith("-"):
        return
    commands = command_parsers(parser)
    if words[0] in commands:
        return
    parser.error(f"there is no command {words[0]!r}: {allowed(words[0], commands)}")


def command_parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Each command's own parser, by its name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _add_command(commands: Any, name: str, summary: str, text: str, examples: str) -> Any:
    return commands.add_parser(
        name,
        help=summary,
        description=text,
        # Of this command line, a shell completes the installed command only.
        epilog=examples if name == "completion" else as_called(examples),
        formatter_class=_Help,
        allow_abbrev=False,
    )


def _add_demo(commands: Any) -> None:
    demo = _add_command(
        commands, "demo", "a UDP service without and with the plugin", _DEMO, _DEMO_EXAMPLES
    )
    demo.add_argument(
        "--python",
        metavar="VERSION",
        action="append",
        help="a Windows Python to try, such as 3.12; may be repeated (default: all there are)",
    )
    demo.add_argument(
        "--peers",
        metavar="N",
        type=number(int, 10, 1000),
        default=120,
        help="datagrams sent to each service, 10 to 1000 (default: 120)",
    )
    demo.add_argument(
        "--seconds",
        metavar="S",
        type=number(float, 1, 60),
        default=4.0,
        help="the time they are sent in, 1 to 60 (default: 4)",
    )
    demo.add_argument(
        "--jobs",
        metavar="N",
        type=number(int, 1, 6),
        default=1,
        help="Pythons to run at a time, 1 to 6 (default: 1)",
    )
    demo.add_argument(
        "--json", action="store_true", help="print the result as JSON, and nothing else, on stdout"
    )
    demo.add_argument(
        "--plot",
        metavar="FILE.svg",
        type=svg_file,
        help="draw the datagrams heard over time into this file",
    )


def _add_doctor(commands: Any) -> None:
    doctor = _add_command(
        commands, "doctor", "what this Python suffers from", _DOCTOR, _DOCTOR_EXAMPLES
    )
    doctor.add_argument("--json", action="store_true", help="print everything as JSON on stdout")
    doctor.add_argument(
        "--with-plugin",
        action="store_true",
        help="install the repairs in this process first, whatever the variable says",
    )


def _add_run(commands: Any) -> None:
    run = _add_command(commands, "run", "a program with the plugin on", _RUN, _RUN_EXAMPLES)
    called, rest = f"{program()} run", "[-h] [-q] [--] (SCRIPT | -m MODULE) [args ...]"
    narrow = len(f"usage: {called} {rest}") <= WIDTH
    run.usage = f"{called} {rest}" if narrow else f"{called}\n       {rest}"
    run.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="do not say so when the plugin cannot reach the program's child Pythons",
    )
    run.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does")
    run.add_argument("script", metavar="SCRIPT", nargs="?", help="a script, folder or zip file")
    run.add_argument("args", nargs="*", help="the program's own arguments")


def _add_completion(commands: Any) -> None:
    completion = _add_command(
        commands,
        "completion",
        "a completion script for your shell",
        "Prints a script that completes this command line in your shell.",
        _COMPLETION_EXAMPLES,
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def number(kind: Callable[[str], Any], lowest: float, highest: float) -> Callable[[str], Any]:
    """An argparse type: a number from ``lowest`` to ``highest``."""
    name = "whole number" if kind is int else "number"

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not allowed: give a {name} from {lowest:g} to {highest:g}"
            )
        return value

    return parse


def svg_file(text: str) -> Path:
    """An argparse type: a file name that ends in .svg, in a folder that exists."""
    path = Path(text)
    if path.suffix.lower() != ".svg":
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: the name must end in .svg")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: there is no folder {str(path.parent)!r}")
    return path
