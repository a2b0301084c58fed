"""Where the lab keeps its things: all under the checkout's `.winlab`, which git ignores."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent
LAB = ROOT / ".winlab"

DOWNLOADS = LAB / "downloads"
PYTHONS = LAB / "pythons"
PREFIXES = LAB / "prefixes"
SHIMS = LAB / "shims"
TEMPLATE = LAB / "template"
VENV = LAB / "venv"
WHEELS = LAB / "wheels"

# Wine wants a home folder to link the user's documents to; it must not be the user's.
HOME = LAB / "home"

# Two checkouts on one machine share neither namespaces nor a wineserver; nor do, with all others,
# those tests that have this variable in their environment.
APART = "WINLAB_APART"
_CHECKOUT = "winlab-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
NAMES = (_CHECKOUT, _CHECKOUT + "-apart")
NAME = NAMES[bool(os.environ.get(APART))]


def digest(*parts: bytes) -> str:
    """Hash the parts, each apart from its neighbours, to 16 hexadecimal digits."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(b"%d:" % len(part))
        whole.update(part)
    return whole.hexdigest()[:16]


def windows_path(path: Path) -> str:
    """Name a file of this machine as the Windows Pythons see it, on Wine's drive Z:."""
    return "Z:" + str(path).replace("/", "\\")
