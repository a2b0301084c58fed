"""Wine's side of the lab: a booted prefix, the two C sources built, and a wineserver that runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from . import lock, network, places
from .command import run
from .tools import MINGW, WINE, WINE_INF, WINESERVER, require_wine_8

SHIM_SOURCE = places.SOURCES / "icmp_shim.c"
DLL_SOURCE = places.SOURCES / "bcryptprimitives.c"
TEMPLATE_STAMP = places.TEMPLATE / "template.stamp"
DLL_STAMP = places.TEMPLATE / "dll.stamp"
SYSTEM32 = places.TEMPLATE / "drive_c" / "windows" / "system32"

# Seconds that wineserver stays after the last Windows program: the next one starts in no time, and
# nothing is left behind for long.
LINGER = 300

# Seconds that what belongs to an earlier state of the shim is kept.
KEPT = 24 * 3600

# Of the template a prefix copies these; drive C: it shares.
COPIED = ("system.reg", "user.reg", "userdef.reg", ".update-timestamp")


def environment(prefix: Path, shim: Path | None = None) -> dict[str, str]:
    """What Wine's own programs need in their environment, besides the caller's."""
    values = {
        "HOME": str(places.HOME),
        "WINEARCH": "win64",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",  # do not ask for Mono and Gecko
        "WINEPREFIX": str(prefix),
    }
    if shim:
        values["LD_PRELOAD"] = str(shim)
    return values


def template_ready() -> bool:
    """Whether a prefix was booted by the Wine that is installed now."""
    return TEMPLATE_STAMP.exists() and TEMPLATE_STAMP.read_text() == _template_recipe()


def lay_template() -> None:
    """Boot a Wine prefix, for all prefixes to share."""
    require_wine_8()
    for old in (places.TEMPLATE, places.PREFIXES):
        shutil.rmtree(old, ignore_errors=True)
    places.HOME.mkdir(parents=True, exist_ok=True)
    places.TEMPLATE.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=places.LAB) as folder:
        # Boot in a scratch namespace: Wine starts services then, and some listen.
        booted = Path(folder, "prefix")
        booted.mkdir()
        env = {**_without_display(), **environment(booted)}
        with network.loopback_namespace(places.NAME + "-boot") as namespace:
            run("wineboot", namespace.command(WINE, "wineboot", "--init"), env=env, timeout=180)
            # The registry is written when the server ends, soon after the last program in it.
            run("waiting for wineserver", namespace.command(WINESERVER, "-w"), env=env, timeout=60)
        for name in (*COPIED, "drive_c"):
            (booted / name).rename(places.TEMPLATE / name)
    TEMPLATE_STAMP.write_text(_template_recipe())


def _template_recipe() -> str:
    return places.digest(str(WINE_INF.stat().st_mtime_ns).encode())


def dll_ready() -> bool:
    """Whether the DLL is built from its source of today."""
    return DLL_STAMP.exists() and DLL_STAMP.read_text() == places.digest(DLL_SOURCE.read_bytes())


def lay_dll() -> None:
    """Build the DLL that Wine 8 lacks, and that Rust programs need, into the shared drive C:."""
    recipe = places.digest(DLL_SOURCE.read_bytes())
    target = SYSTEM32 / "bcryptprimitives.dll"
    new = target.with_suffix(".new")
    flags = ("-shared", "-O2", "-ladvapi32")
    run("building bcryptprimitives.dll", [MINGW, "-o", new, DLL_SOURCE, *flags])
    new.replace(target)
    DLL_STAMP.write_text(recipe)


def shim() -> Path:
    """The library to preload into Wine, named after this state of its source."""
    return places.SHIMS / f"icmp_shim-{places.digest(SHIM_SOURCE.read_bytes())}.so"


def shim_ready() -> bool:
    """Whether the library is built."""
    return shim().exists()


def lay_shim() -> None:
    """Build the library."""
    path = shim()
    places.SHIMS.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Wextra")
    run("building icmp_shim.so", ["gcc", *flags, "-o", new, SHIM_SOURCE, "-ldl"])
    new.replace(path)
    for folder in (places.SHIMS, places.PREFIXES):
        for old in folder.glob("*"):
            _remove_old(old)


def _remove_old(path: Path) -> None:
    # Whatever still runs with an earlier state of the shim goes on: wineserver lingers for minutes.
    if time.time() - path.stat().st_mtime > KEPT:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


class Prefix(NamedTuple):
    """A Wine prefix whose wineserver runs in one namespace, with one state of the shim.

    Wine's sockets are wineserver's, so each namespace and each shim needs a server of its own.
    """

    namespace: network.Namespace
    shim: Path

    @property
    def folder(self) -> Path:
        """Its WINEPREFIX."""
        return places.PREFIXES / f"{self.namespace.name}-{self.shim.stem.rpartition('-')[2]}"

    @property
    def environment(self) -> dict[str, str]:
        """What a program in it needs in its environment."""
        return environment(self.folder, self.shim)

    def start(self) -> None:
        """Lay the prefix and start its wineserver, unless they are there."""
        if (self.folder / "dosdevices").exists() and not self._start_server():
            return
        with lock.held(self.folder.with_suffix(".lock"), quiet=True):
            self._lay()
            self._start_server()
            # The first program starts Wine's services, which keep the pipes that it was given.
            self._call(self.namespace.command(WINE, "cmd.exe", "/c", "exit"))

    def stop(self) -> None:
        """Stop the wineserver, and with it every program in the prefix."""
        if self.folder.exists():
            self._call([str(WINESERVER), "-k"])

    def _lay(self) -> None:
        if (self.folder / "dosdevices").exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            shutil.copy2(places.TEMPLATE / name, self.folder)
        new = self.folder / "dosdevices.new"
        new.mkdir(exist_ok=True)
        for drive, target in (("c:", places.TEMPLATE / "drive_c"), ("z:", Path("/"))):
            (new / drive).unlink(missing_ok=True)
            (new / drive).symlink_to(target)
        new.rename(self.folder / "dosdevices")

    def _start_server(self) -> bool:
        # wineserver leaves with status 2 where one runs already.
        return self._call(self.namespace.command(WINESERVER, f"-p{LINGER}")) == 0

    def _call(self, command: list[str]) -> int:
        done = subprocess.run(
            command,
            env={**_without_display(), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return done.returncode


def _without_display() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
