"""Tribler 7.13.1 as PyPI has it: fetched by pip, believed only with the pinned SHA-256."""

from __future__ import annotations

from pathlib import Path

from . import places, wheels

VERSION = "7.13.1"
SHA256 = "43c69912532607193a40a1eeea2625675698a1a4e0273929a73c3570638993f9"
FOLDER = places.LAB / "tribler"


def fetch() -> Path:
    """Give back the folder of the unpacked wheel, without what it depends on."""
    return wheels.unpacked(f"tribler=={VERSION}", SHA256, FOLDER / VERSION)
