"""The versions of what runs in this process, for a bug report."""

from __future__ import annotations

import functools
import platform
import sys
from importlib import metadata

import tribler_udp_fix

UNKNOWN = "unknown"


def versions() -> dict[str, str]:
    """The versions of the plugin, Python, pyipv8, wrapt and Tribler, ``unknown`` where not told."""
    return {
        "tribler_udp_fix": tribler_udp_fix.__version__,
        "python": platform.python_version(),
        "pyipv8": _installed("pyipv8"),
        "wrapt": str(getattr(sys.modules.get("wrapt"), "__version__", "")) or _installed("wrapt"),
        "tribler": _tribler(),
    }


def _tribler() -> str:
    # 7.13 has it in a module; 8 asks for the installed package, and calls itself git without one.
    version_7 = getattr(sys.modules.get("tribler.core.version"), "version_id", None)
    if version_7:
        return str(version_7)
    installed = _installed("tribler")
    return "git" if installed == UNKNOWN and "tribler" in sys.modules else installed


@functools.lru_cache(maxsize=None)  # it reads files, on the event loop
def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a checkout, such as Tribler's submodule pyipv8
        return UNKNOWN
