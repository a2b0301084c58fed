"""The Pythons of this user and this machine, of one minor version, with a window or without."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

WINDOWED = "pythonw.exe"  # the Python that opens no console


def matching(minor: str) -> list[Path]:
    """Every pythonw.exe of this minor version, as 3.12, that is 64-bit, the one that runs first.

    They are those that python.org's installer, or another that follows PEP 514, has registered.
    """
    found = [path for path in _candidates(minor) if path.is_file()]
    return list(dict.fromkeys(found))


def _candidates(minor: str) -> Iterator[Path]:
    if "{}.{}".format(*sys.version_info) == minor and sys.maxsize > 2**32:
        # From within a virtual environment that may go away, its base Python, which stays.
        base = getattr(sys, "_base_executable", None) or sys.executable
        yield Path(os.path.abspath(base)).with_name(WINDOWED)
    if sys.platform != "win32":
        return
    import winreg

    for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
        name = rf"Software\Python\PythonCore\{minor}\InstallPath"
        try:
            with winreg.OpenKey(root, name, 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY) as key:
                folder, _ = winreg.QueryValueEx(key, "")
        except OSError:
            continue
        if isinstance(folder, str):
            yield Path(folder) / WINDOWED
