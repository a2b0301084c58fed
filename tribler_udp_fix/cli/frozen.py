"""The frozen Tribler: where its installer put it, and what it is made of. It is only read."""

from __future__ import annotations

import os
import re
import sys
import zipfile
from pathlib import Path
from typing import Iterator, NamedTuple

LAUNCHER = "Tribler.exe"
# What the installer writes (Tribler's build/win/resources/tribler.nsi). Being a 32-bit program it
# means, on 64-bit Windows, the registry's 32-bit view and "Program Files (x86)".
_UNINSTALL_KEY = r"Software\Microsoft\Windows\CurrentVersion\Uninstall\Tribler"
_OWN_KEY = r"Software\Tribler"
_PROGRAM_FILES = ("ProgramFiles", "ProgramFiles(x86)", "ProgramW6432")

# What PyInstaller lays beside a program, in its older and its newer layout.
_OF_VERSION_7 = ("base_library.zip", "_internal")

_DLL = re.compile(r"python3(\d+)\.dll", re.IGNORECASE)
_STARTS = re.compile(r"__init__(\w+)\.pyc")


class NoInstallation(Exception):
    """There is no frozen Tribler 8 that could be started; the text says why, in one sentence."""


class Version7(NoInstallation):
    """There is a Tribler 7, which is frozen by PyInstaller; the text says what its user can do."""


class Installation(NamedTuple):
    """A Tribler frozen by cx_Freeze.

    ``version`` is Tribler's own, None where the build does not tell; ``python`` the minor version
    of its Python, as 3.12; ``program`` what cx_Freeze calls it in the names of its start modules.
    """

    folder: Path
    version: str | None
    python: str
    program: str

    @property
    def launcher(self) -> Path:
        """The program that the user starts."""
        return self.folder / LAUNCHER

    @property
    def lib(self) -> Path:
        """The folder of its modules."""
        return self.folder / "lib"

    @property
    def copied(self) -> list[Path]:
        """What a side-car needs copies of: the launcher, and the DLLs that it loads from beside it.

        The launcher is the first.
        """
        dlls = sorted(path for path in self.folder.iterdir() if path.suffix.lower() == ".dll")
        return [self.launcher, *dlls]

    @property
    def start_modules(self) -> tuple[str, str]:
        """The names of the modules that cx_Freeze's launcher imports last, in this order."""
        return f"__init__{self.program}", f"__main__{self.program}"


def find(folder: Path | None = None) -> Installation:
    """The Tribler in *folder*, or where the installer put it. Raises NoInstallation."""
    if folder is not None:
        return examine(folder)
    places = list(dict.fromkeys(_places()))
    reasons: list[NoInstallation] = []
    for place in places:
        try:
            return examine(place)
        except NoInstallation as exc:
            reasons.append(exc)
    for reason in reasons:
        if isinstance(reason, Version7):
            raise reason
    looked = "; ".join(map(str, reasons)) or "neither the registry nor Program Files knows it"
    raise NoInstallation(f"no frozen Tribler 8 was found ({looked}): say where it is with --dir")


def examine(folder: Path) -> Installation:
    """What is installed in *folder*. Raises NoInstallation."""
    folder = Path(os.path.abspath(folder))
    if not (folder / LAUNCHER).is_file():
        raise NoInstallation(f"there is no {LAUNCHER} in {folder}")
    if any((folder / name).exists() for name in _OF_VERSION_7):
        raise Version7(
            f"the Tribler in {folder} is version 7, and this is for version 8: install Tribler 8 "
            "from www.tribler.org and try again, or start version 7 from its sources with "
            "`tribler-udp-fix run`"
        )
    pythons = [match[1] for path in folder.iterdir() if (match := _DLL.fullmatch(path.name))]
    try:
        with zipfile.ZipFile(folder / "lib" / "library.zip") as library:
            names = library.namelist()
    except (OSError, zipfile.BadZipFile):
        names = []
    programs = [match[1] for name in names if (match := _STARTS.fullmatch(name))]
    if not pythons or not programs:
        raise NoInstallation(
            f"the Tribler in {folder} was not frozen by cx_Freeze, as version 8 is: is it whole?"
        )
    return Installation(folder, _version(folder), f"3.{pythons[0]}", programs[0])


def _version(folder: Path) -> str | None:
    try:
        text = (folder / "lib" / "tribler.dist-info" / "METADATA").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    return match[1] if match else None


def _places() -> Iterator[Path]:
    yield from _registered()
    for variable in _PROGRAM_FILES:
        if os.environ.get(variable):
            place = Path(os.environ[variable]) / "Tribler"
            if place.exists():
                yield place


def _registered() -> Iterator[Path]:
    if sys.platform != "win32":
        return
    import winreg

    for view in (winreg.KEY_WOW64_32KEY, winreg.KEY_WOW64_64KEY):
        for root, name, value in (
            (winreg.HKEY_CURRENT_USER, _OWN_KEY, ""),
            (winreg.HKEY_LOCAL_MACHINE, _UNINSTALL_KEY, "InstallLocation"),
            (winreg.HKEY_CURRENT_USER, _UNINSTALL_KEY, "InstallLocation"),
        ):
            try:
                with winreg.OpenKey(root, name, 0, winreg.KEY_READ | view) as key:
                    place, _ = winreg.QueryValueEx(key, value)
            except OSError:
                continue
            if isinstance(place, str) and place.strip('" '):
                yield Path(place.strip('" '))
