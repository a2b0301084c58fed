"""What the lab needs of the machine: root's rights, Debian's Wine, compilers, and Chromium."""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import sys
from pathlib import Path
from typing import Mapping

from . import disk, lock, places
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
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ensurepip": "python3-venv",
}

# To fetch the asyncio of an overlay, and for nothing else.
NPM_SIGNS = {"npm": "npm"}

# Without it a Python of Debian's makes no virtual environment.
VENV_SIGNS = {"ensurepip": "python3-venv"}

# What a package takes with all that it depends on, on a machine with none of it, in megabytes, the
# downloads included, which apt keeps.
SIZES = {"wine": 1000, "gcc-mingw-w64-x86-64-win32": 430, "gcc": 230, "chromium": 850, "npm": 240}
SMALL = 10

STRICT = "APT::Update::Error-Mode=any"

# dpkg wants what is in these; `su` without a dash leaves them out.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

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
    if sys.platform == "win32":
        return
    if os.geteuid() != 0:
        command = f"python3 -m {_called()}"
        raise LabError(
            f"the lab needs root for its network namespaces: run `sudo {command}`, or where there "
            f"is no sudo `su -c {shlex.quote(command)}`"
        )
    if not _may_administer():
        raise LabError(
            "the lab needs a root that may make network namespaces: start the container with "
            "--privileged"
        )


_USERS = ("benchmarks", "simulation")  # programs beside the lab that need it


def _called() -> str:
    """The module of the lab that was called, with its arguments, or how else to lay the lab."""
    program = Path(sys.argv[0])
    if not {places.SOURCES, *(places.ROOT / name for name in _USERS)} & {*program.parents}:
        return "tests.winlab lay"
    parts = program.with_suffix("").relative_to(places.ROOT).parts
    name = ".".join(part for part in parts if part != "__main__")
    return shlex.join([name, *sys.argv[1:]]) if len(sys.argv) > 1 else name


def _may_administer() -> bool:
    """Whether this process may change networks and mounts, which a plain container forbids."""
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    wanted = 1 << 12 | 1 << 21  # CAP_NET_ADMIN, CAP_SYS_ADMIN
    return int(effective, 16) & wanted == wanted


def missing(signs: Mapping[str, str] = SIGNS) -> list[str]:
    """The Debian packages that the lab needs and this machine lacks."""
    return sorted({package for sign, package in signs.items() if not _present(sign)})


def needs(signs: Mapping[str, str] = SIGNS) -> list[disk.Need]:
    """What the packages that are missing take; LabError where they cannot be installed here."""
    packages = missing(signs)
    if packages and not shutil.which("apt-get"):
        raise LabError(
            f"this machine lacks {' '.join(packages)} and has no apt-get: "
            "install them yourself, or use Debian 12"
        )
    return [disk.Need(Path("/usr"), SIZES.get(package, SMALL)) for package in packages]


def lay(signs: Mapping[str, str] = SIGNS) -> None:
    """Install the Debian packages that are missing, without what they merely recommend."""
    packages = missing(signs)
    require_root()
    path = os.environ.get("PATH", os.defpath)
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive", PATH=f"{path}:{SBIN}")
    run("apt-get update", ["apt-get", "-q", "update"], env=env)
    command = ["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages]
    try:
        run(f"apt-get install {' '.join(packages)}", command, env=env, timeout=1200)
    except LabError:
        # For apt-get an update has succeeded that reached no mirror, unless it is to be strict.
        run("apt-get update", ["apt-get", "-q", "update", "-o", STRICT], env=env)
        raise
    importlib.invalidate_caches()
    if lacking := missing(signs):
        raise LabError(f"apt-get installed {' '.join(packages)}, but {lacking[0]} is not there")


def lay_browser() -> None:
    """Install Chromium where it is missing; LabError says what to do where that cannot be."""
    if not (packages := missing(BROWSER_SIGNS)):
        return
    try:
        require_root()
        wanted = needs(BROWSER_SIGNS)
        disk.require(wanted)
        print(f"winlab: installing Chromium, once: {disk.told(wanted)}", file=sys.stderr)
        with lock.held(places.LAB / "lock"):
            lay(BROWSER_SIGNS)
    except LabError as error:
        names = " ".join(packages)
        raise LabError(
            f"the page is tested in Debian's Chromium: run `apt-get install {names}` as root "
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
