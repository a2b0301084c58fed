"""What Windows shows in "Apps & features" of the installer, for this user alone."""

from __future__ import annotations

import sys

from tribler_udp_fix.cli.places import Places

KEY = r"Software\Microsoft\Windows\CurrentVersion\Uninstall\tribler_udp_fix"
NAME = "Tribler UDP fix"


def write(places: Places, version: str) -> None:
    """Say that it is installed. Raises OSError."""
    if sys.platform != "win32":
        return
    import winreg

    files = [path for path in places.root.rglob("*") if path.is_file()]
    uninstaller = f'"{places.uninstaller}"'
    texts = {
        "DisplayName": NAME,
        "DisplayVersion": version,
        "DisplayIcon": str(places.uninstaller),
        "Publisher": "tribler_udp_fix contributors",
        "InstallLocation": str(places.root),
        "UninstallString": uninstaller,
        "QuietUninstallString": f"{uninstaller} /S",
    }
    numbers = {
        "EstimatedSize": sum(path.stat().st_size for path in files) // 1024,  # in KiB
        "NoModify": 1,
        "NoRepair": 1,  # to repair it the installer is run once more
    }
    with winreg.CreateKey(winreg.HKEY_CURRENT_USER, KEY) as key:
        for name, text in texts.items():
            winreg.SetValueEx(key, name, 0, winreg.REG_SZ, text)
        for name, number in numbers.items():
            winreg.SetValueEx(key, name, 0, winreg.REG_DWORD, number)
