"""The variable that switches everything on, and the one line on stderr that may be said of it.

At the bottom of the package: whatever is imported while the interpreter starts needs it, so it
imports sys only.
"""

# Neither "from __future__ import annotations" nor typing: the startup hook imports os and sys only.
import sys

SWITCH = "TRIBLER_UDP_FIX"
ON_VALUES = ("1", "true", "yes", "on")
OFF_VALUES = ("", "0", "false", "no", "off")  # the line in the .pth names them, and stops there


def warn(message: str) -> None:
    """Write one line to stderr; where there is no usable stderr (pythonw.exe has None), nothing."""
    try:
        sys.stderr.write(f"tribler_udp_fix: {message}\n")
        sys.stderr.flush()
    except Exception:  # a stream of the program's own may raise anything
        pass  # nowhere to say it, and nothing that may stop the program


def report(exc: Exception) -> None:
    """Say in one line on stderr why the repairs are not on, and how to switch the hook off."""
    reason = " ".join(f"{type(exc).__name__}: {exc}".split())
    warn(f"the repairs are not on ({reason}). To switch this off, set {SWITCH}=0.")
