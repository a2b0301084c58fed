"""What the lab needs of the machine: root's rights, Debian's Wine, compilers, and Chromium."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Mapping

from . import lock, places
from .command import run
from .errors import LabError

WINE = Path("/usr/lib/wine/wine64")
WINESERVER = Path("/usr/lib/wine/wineserver64")
WINE_INF = Path("/usr/share/wine/wine.inf")
MINGW = "x86_64-w64-mingw32-gcc"

# A file, command or module that shows that a Debian package is there.
SIGNS = {
    str(WINE): "wine",
    "gcc": "gcc",
    "/usr/include/stdio.h": "libc6-dev",
    MINGW: "gcc-mingw-w64-x86-64-win32",
    "ip": "iproute2",
    "npm": "npm",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ensurepip": "python3-venv",
}

# For the tests of the page alone: a Windows Python must not have to wait for them.
CHROMIUM = "/usr/bin/chromium"
BROWSER_SIGNS = {CHROMIUM: "chromium", "/usr/share/fonts/opentype/inter": "fonts-inter"}


def require_linux() -> None:
    """Raise LabError on a machine that cannot have the lab."""
    if sys.platform == "win32":
        raise LabError(
            "the lab is for Linux: on Windows there are `python -m tests.winlab demo` and `test`, "
            "with this Python itself"
        )
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise LabError(f"the lab is for Linux on x86-64, not {sys.platform} {platform.machine()}")


def require_root() -> None:
    """Raise LabError, with the command to run instead, without root's rights."""
    if sys.platform != "win32" and os.geteuid() != 0:
        arguments = " ".join(sys.argv[1:]) if sys.argv[0].endswith("__main__.py") else "lay"
        raise LabError(
            "the lab needs root for its network namespaces: "
            f"run `sudo {Path(sys.executable).name} -m tests.winlab {arguments}`"
        )


def missing(signs: Mapping[str, str] = SIGNS) -> list[str]:
    """The Debian packages that the lab needs and this machine lacks."""
    return sorted({package for sign, package in signs.items() if not _present(sign)})


def ready() -> bool:
    """Whether the machine has all that the lab needs."""
    return not missing()


def lay(signs: Mapping[str, str] = SIGNS) -> None:
    """Install the Debian packages that are missing, without what they merely recommend."""
    packages = missing(signs)
    if not shutil.which("apt-get"):
        raise LabError(
            f"this machine lacks {' '.join(packages)} and has no apt-get: "
            "install them yourself, or use Debian 12"
        )
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run("apt-get update", ["apt-get", "-q", "update"], env=env)
    command = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages]
    run(f"apt-get install {' '.join(packages)}", command, env=env, timeout=1200)
    if lacking := missing(signs):
        raise LabError(f"apt-get installed {' '.join(packages)}, but {lacking[0]} is not there")


def lay_browser() -> None:
    """Install Chromium where it is missing; LabError says what to do where that cannot be."""
    if not (packages := missing(BROWSER_SIGNS)):
        return
    try:
        require_root()
        with lock.held(places.LAB / "lock"):
            lay(BROWSER_SIGNS)
    except LabError as error:
        wanted = " ".join(packages)
        raise LabError(
            f"the page is tested in Debian's Chromium: run `apt-get install {wanted}` as root "
            f"({error})"
        ) from None


def require_wine_8() -> None:
    """Raise LabError with a Wine whose code the shim does not know: see icmp_shim.c."""
    version = run("wine64 --version", [WINE, "--version"]).strip()
    if not version.startswith("wine-8.0"):
        raise LabError(f"the lab needs the Wine 8.0 of Debian 12, and this is {version}")


def _present(sign: str) -> bool:
    if sign.startswith("/"):
        return Path(sign).exists()
    if sign == "ensurepip":
        return importlib.util.find_spec(sign) is not None
    return shutil.which(sign) is not None
