"""The startup hook: what ``tribler_udp_fix.pth`` runs when the interpreter starts.

``main()`` waits for the program's imports and lets the program go on: it imports neither asyncio
nor wrapt (wrapt 2.2.2 and later import asyncio, and cost 80 ms), only os and sys. Nothing is
installed while the program is within an import either, but at the first gate that it comes to (see
``_imports``), or when it asks for the status. Whatever goes wrong in here is one line on stderr;
the program runs as it would have.
"""

# Neither "from __future__ import annotations" nor typing: the hook imports os and sys only.
import os

from tribler_udp_fix._imports import FINDER, NEEDED, is_importing
from tribler_udp_fix._switch import OFF_VALUES, ON_VALUES, SWITCH, report, warn

_ran = False
_warned = False


def main() -> None:
    """Repair asyncio, IPv8 and Tribler as the program comes to use them, if TRIBLER_UDP_FIX is on.

    Returns at once when the variable is off, or holds a value that is neither on nor off (one
    warning). A second call does nothing: in a venv on Python 3.8 to 3.14 a ``.pth`` line runs twice
    (https://github.com/python/cpython/issues/75723). Raises nothing.
    """
    global _ran, _warned
    try:
        value = os.environ.get(SWITCH, "")
        word = value.strip().lower()
        if word in ON_VALUES:
            if not _ran:
                _ran = True
                FINDER.wait(_arrive)
        elif word not in OFF_VALUES and not _warned:
            _warned = True
            warn(
                f"{SWITCH}={value!r}: allowed are {', '.join(ON_VALUES)} (on) and "
                f"{', '.join(OFF_VALUES[1:])} or nothing (off). The repairs stay off."
            )
    except Exception as exc:  # whatever it is, the host program goes on
        report(exc)


def _arrive() -> None:
    """Install the repairs: the program has come to a gate."""
    if is_importing(NEEDED):
        return
    try:
        from tribler_udp_fix._imports._whole import import_whole

        # Takes over the gates, so that this is not called again.
        settle = import_whole("tribler_udp_fix._install").settle
    except Exception as exc:  # a package that was removed meanwhile: the program goes on without
        FINDER.arrive = _do_nothing
        if FINDER.waits_for:
            FINDER.leave()
            report(exc)
        return
    settle()


def _do_nothing() -> None:
    """There is nothing to install any more."""
