"""The arguments of ``tribler``, with their help."""

from __future__ import annotations

from typing import Any, Callable

_TRIBLER = """\
The Tribler that its installer for Windows lays is frozen: it reads no .pth
file, so the variable alone does not reach it. "install" makes a side-car, a
folder of your own that starts the same Tribler with the plugin on, and a
shortcut to it in the Start menu. The installed Tribler is left as it is."""

_EXAMPLES = """\
examples:
  tribler-udp-fix tribler install
  tribler-udp-fix tribler install --dir "D:\\Programs\\Tribler"
  tribler-udp-fix tribler status
  tribler-udp-fix tribler check
  tribler-udp-fix tribler uninstall

exit status: 0 done, and for status: ready; 1 it could not be made or removed,
and for status: absent or out of date; 2 no Tribler to do it with. For check
with --json: 0 a Tribler with the plugin runs and hears; 1 it does not hear, or
sends nothing, or hears no peer, or none runs; 2 could not tell.
"""


def add(commands: Any, add_command: Callable[..., Any]) -> None:
    """Add the command to the parser of all commands, by the function that adds one."""
    summary = "the installed Tribler, with the plugin on"
    command = add_command(commands, "tribler", summary, _TRIBLER, _EXAMPLES)
    actions = command.add_subparsers(
        dest="action", metavar="ACTION", title="actions", required=True
    )
    text = {
        "install": "make or renew the side-car and its shortcut",
        "uninstall": "remove the side-car and its shortcut",
        "status": "which Tribler is installed, and how the side-car stands",
        "check": "whether this computer is affected, and whether the plugin works",
    }
    for name, summary in text.items():
        action = add_command(
            actions, name, summary, summary[0].upper() + summary[1:] + ".", _EXAMPLES
        )
        if name in ("install", "status"):
            action.add_argument(
                "--dir",
                metavar="DIR",
                help="where Tribler is installed (default: where it was the last time, or where "
                "its installer put it)",
            )
        if name == "check":
            action.add_argument(
                "--no-browser",
                action="store_true",
                help="print the page's address, and open nothing",
            )
        action.add_argument(
            "--json", action="store_true", help="print the result as JSON on stdout"
        )
