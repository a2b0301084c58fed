"""Where everything that is made for the installed Tribler is, below folders that are the user's."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

from tribler_udp_fix.cli.interpreters import WINDOWED

_FOLDER = "tribler_udp_fix"
_MENU = ("Microsoft", "Windows", "Start Menu", "Programs")


class NoUserData(Exception):
    """This process does not know where its user's own data is; the text says which variable."""


class Places(NamedTuple):
    """Below ``root``, in the user's local data, and in ``menu``, the user's Start menu."""

    root: Path
    menu: Path

    @property
    def folder(self) -> Path:
        """The side-car."""
        return self.root / "Tribler"

    @property
    def lib(self) -> Path:
        """Where the side-car's copied launcher looks for modules."""
        return self.folder / "lib"

    @property
    def site(self) -> Path:
        """Where the side-car has the plugin."""
        return self.folder / "site"

    @property
    def shortcut(self) -> Path:
        """What starts Tribler by the side-car."""
        return self.menu / "Tribler (UDP fix).lnk"

    @property
    def python(self) -> Path:
        """The folder of the Python that the installer carries, where that was used."""
        return self.root / "Python"

    @property
    def carried(self) -> Path:
        """That Python, without a console."""
        return self.python / WINDOWED

    @property
    def check(self) -> Path:
        """The shortcut to UDP check, where the installer was used."""
        return self.menu / "UDP check for Tribler.lnk"

    @property
    def running(self) -> Path:
        """Where each Tribler that runs with the plugin says where its health page is."""
        return self.root / "running"

    @property
    def uninstaller(self) -> Path:
        """The installer's own, where that was used."""
        return self.root / "uninstall.exe"


def places() -> Places:
    """Where they go: %LOCALAPPDATA% and the Start menu in %APPDATA%. Raises NoUserData."""
    for variable in ("LOCALAPPDATA", "APPDATA"):
        if not os.environ.get(variable):
            raise NoUserData(f"there is no folder for your own data: {variable} is not set")
    # A Python from Microsoft's Store sees AppData through a layer of its own; realpath() tells
    # where its files really are, which is where other programs find them.
    local = os.path.realpath(os.environ["LOCALAPPDATA"])
    if len(os.path.splitdrive(local)[0]) > len("C:"):
        raise NoUserData(
            f"LOCALAPPDATA is on another machine ({local}), not on a drive of this one"
        )
    return Places(Path(local) / _FOLDER, Path(os.environ["APPDATA"]).joinpath(*_MENU))


def is_carried(places: Places) -> bool:
    """Whether the Python that runs this is the one that the installer has laid."""
    here = os.path.normcase(os.path.realpath(sys.executable or "."))
    return os.path.dirname(here) == os.path.normcase(os.path.realpath(places.python))
