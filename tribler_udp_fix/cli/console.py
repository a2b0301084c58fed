"""The terminal, or what stands in for it: widths, colours and signs that it can show."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

from tribler_udp_fix.cli.invocation import pip_install, speaker

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 80
_SIZE = re.compile("[1-9][0-9]{0,3}")  # rich takes whatever is a digit, such as ², for a number
DRAWN_WITH = ("box", "console", "live", "progress_bar", "table", "text")  # modules of rich


class NoRich(Exception):
    """rich is not installed; the text says what to do."""


def require_rich(has_it: str = "") -> None:
    """Raise NoRich, before anything is done whose result could not be drawn.

    *has_it* is a command that does the same, and has rich.
    """
    try:
        for name in DRAWN_WITH:
            importlib.import_module(f"rich.{name}")
    except ImportError as exc:
        advice = f"{has_it} has it, or {pip_install('rich')}" if has_it else pip_install("rich")
        raise NoRich(f"drawing needs rich ({advice}): {exc}; --json does not") from None


def make_console(stream: TextIO) -> Console:
    """A console that draws on the stream: without colour in a pipe or under NO_COLOR."""
    from rich.console import Console

    environ = {
        name: text
        for name, text in os.environ.items()
        if name not in ("COLUMNS", "LINES") or _SIZE.fullmatch(text)
    }
    return Console(
        file=stream,
        width=None if stream.isatty() else int(environ.get("COLUMNS", 0)) or PIPE_WIDTH,
        _environ=environ,
        highlight=False,
        markup=False,
        emoji=False,
    )


def can_draw_live(console: Console) -> bool:
    """Whether what was drawn can be drawn over."""
    return console.file.isatty() and console.is_terminal and not console.is_dumb_terminal


def say(message: str) -> None:
    """One line on stderr."""
    print(f"{speaker()}: {message}", file=sys.stderr, flush=True)
