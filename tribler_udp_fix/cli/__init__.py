"""The command line, ``tribler-udp-fix``: what is asked for, and by which exit status it ends.

Only what a command needs is imported, and when it runs: ``run`` must start its program before
anything here has imported asyncio.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, Sequence

from tribler_udp_fix.cli.parser import build_parser, check_command

if TYPE_CHECKING:
    import argparse

CANNOT = 2
INTERRUPTED = 130

# What a disk or a device makes of a write that it cannot take.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; ``argv`` is ``sys.argv[1:]`` by default. Returns the exit status.

    0 is success and 2 a request that cannot be carried out; each command says in its help what
    1 means. An interrupt gives 130.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    check_command(parser, words)
    if words[:1] == ["run"]:
        # Not through argparse: what follows the program's name is the program's own.
        from tribler_udp_fix.cli import run

        return run.main(words[1:], parser)
    stdout: Any = sys.stdout
    if stdout is not None:
        return _answer(parser, words)
    # It was closed before the start: what is printed goes nowhere, as print() itself has it.
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        return _answer(parser, words)


def _answer(parser: argparse.ArgumentParser, words: list[str]) -> int:
    _never_fail_to_encode()
    try:
        try:
            arguments = parser.parse_args(words)
            if arguments.command is None:
                parser.print_help()
                return 0
        finally:
            sys.stdout.flush()  # a help that nobody reads any more fails here, not at the exit
        command = importlib.import_module(f"tribler_udp_fix.cli.{arguments.command}")
        status: int = command.main(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except OSError as exc:
        # Windows has no EPIPE for a pipe whose reader left: its flush fails with EINVAL.
        if sys.platform == "win32" and exc.errno == 22 and exc.filename is None:
            _forget_stdout()
            return 1
        if exc.errno not in _UNWRITABLE or exc.filename is not None:
            raise
        from tribler_udp_fix.cli.console import say

        _forget_stdout()
        say(f"the output could not be written: {exc.strerror}")
        return CANNOT


def _never_fail_to_encode() -> None:
    """A name that a Windows code page cannot hold is printed escaped, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _forget_stdout() -> None:
    """Nobody reads any more, or can: the interpreter's last flush must not complain either."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
