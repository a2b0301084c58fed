"""The program's import of asyncio: found as ever, and repaired as soon as its code has run."""

# Neither "from __future__ import annotations" nor typing: the hook imports os and sys only.
import os

from tribler_udp_fix._imports import _loader
from tribler_udp_fix._switch import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Optional, Sequence

    from tribler_udp_fix._startup import AsyncioFinder


def install() -> None:
    """Install the repairs with the settings of the environment; a failure is one line on stderr."""
    try:
        from tribler_udp_fix import Settings, install

        install(Settings.from_environ(os.environ))
    except Exception as exc:  # asyncio is imported, repaired or not
        report(exc)


def find_spec(
    hook: "AsyncioFinder",
    name: str,
    path: "Optional[Sequence[str]]",
    target: "Optional[ModuleType]",
) -> "Optional[ModuleSpec]":
    """Return what the finders behind the *hook* find, with a loader that repairs asyncio."""

    def ran(succeeded: bool) -> None:
        if hook.leave() and succeeded:
            install()

    return _loader.find_spec(hook, name, path, target, ran)
