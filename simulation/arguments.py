"""The command's arguments, and which of its modes knows which of them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import Callable

from .assumptions import Assumptions, add_arguments
from .study import MOST_SEEDS

KEPT = Path(__file__).resolve().parent.parent / "docs" / "swarm"
SHARES = (0.0, 0.01, 0.1, 0.5, 1.0)
MOST_SHARES = 5  # lines of a chart that can be told apart
SEEDS = 5

_ASSUMPTIONS = tuple(field.name for field in dataclasses.fields(Assumptions))
# What each mode knows; the first is without an argument of its own.
_KNOWN: dict[str, tuple[str, ...]] = {
    "": ("seeds", "jobs", "shares", *(name for name in _ASSUMPTIONS if name != "plugin")),
    "sensitivity": ("seeds", "jobs", *_ASSUMPTIONS),
    "defaults": ("seeds",),
    "peer_times": ("seeds",),
    "against_lab": ("seeds",),
    "against_kept": (),
}


def most_jobs(platform: str) -> int:
    """How many processes a ProcessPoolExecutor takes there (CPython's documentation of it)."""
    return 61 if platform == "win32" else 1024


def parse(about: str, arguments: list[str] | None) -> argparse.Namespace:
    """The arguments; exits with status 2 where one is not allowed, or is one of another mode."""
    parser = _parser(about)
    options = parser.parse_args(arguments)
    mode = next((mode for mode in _KNOWN if mode and getattr(options, mode)), "")
    for name in sorted({name for known in _KNOWN.values() for name in known} - {*_KNOWN[mode]}):
        if name in options:
            others = ", ".join(_told(other) for other in _KNOWN if name in _KNOWN[other])
            parser.error(f"argument {_flag(name)}: not used by {_told(mode)}, but by {others}")
    for name, value in ("seeds", SEEDS), ("jobs", _jobs()), ("shares", SHARES):
        setattr(options, name, getattr(options, name, value))
    if len(options.shares) > MOST_SHARES:
        parser.error(f"--shares: allowed are 1 to {MOST_SHARES}, not {len(options.shares)}")
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / ".tried").touch()
        (options.output / ".tried").unlink()
    except OSError as exc:
        parser.error(f"--output={options.output}: allowed is a folder to write to ({exc.strerror})")
    return options


def _parser(about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m simulation",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,  # what is not given is told from what is
        allow_abbrev=False,
    )
    which = parser.add_mutually_exclusive_group()
    for mode in _KNOWN:
        if mode:
            which.add_argument(_flag(mode), action="store_true", default=False, help="see above")
    parser.add_argument(
        "--seeds", type=_whole(2, MOST_SEEDS), metavar="N", help=f"runs of each swarm ({SEEDS})"
    )
    most = most_jobs(sys.platform)
    parser.add_argument(
        "--jobs", type=_whole(1, most), metavar="N", help=f"runs at a time ({_jobs()})"
    )
    parser.add_argument("--output", type=Path, default=KEPT, metavar="FOLDER")
    parser.add_argument(
        "--shares",
        type=_share,
        nargs="+",
        metavar="N",
        help="shares with the plugin to compare (0 0.01 0.1 0.5 1)",
    )
    add_arguments(parser)
    return parser


def _jobs() -> int:
    return min(os.cpu_count() or 1, most_jobs(sys.platform))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _told(mode: str) -> str:
    return _flag(mode) if mode else "the comparison of shares"


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse_whole(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            told = f"{text!r}: allowed is a whole number from {lowest} to {highest}"
            raise argparse.ArgumentTypeError(told)
        return int(text)

    return parse_whole


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed is a number from 0 to 1")
    return value
