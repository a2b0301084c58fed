"""How this command line was called, for advice that can be entered as it stands."""

from __future__ import annotations

import os
import sys

PROGRAM = "tribler-udp-fix"


def command(words: str = "") -> str:
    """The command line with these words, in the form in which it was called.

    That is ``tribler-udp-fix …``, or ``py -m tribler_udp_fix …`` and the like.
    """
    name = os.path.basename(sys.argv[0] if sys.argv else "")
    called = f"{_python()} -m tribler_udp_fix" if name == "__main__.py" else PROGRAM
    return f"{called} {words}".strip()


def _python() -> str:
    """The word that a user types: Windows' launcher py hands on a whole path instead."""
    typed: str = getattr(sys, "orig_argv", [""])[0]
    if typed and os.path.basename(typed) == typed:
        return typed[: -len(".exe")] if typed.lower().endswith(".exe") else typed
    return "py" if sys.platform == "win32" else "python3"
