"""Every pyipv8 that the repairs are for: fetched by pip, believed only with the pinned SHA-256."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from . import places, wheels

FOLDER = places.LAB / "ipv8"


class IPv8Wheel(NamedTuple):
    """One release of pyipv8, and the Pythons that it declares, the lowest and the highest."""

    version: str
    sha256: str
    lowest: tuple[int, int]
    highest: tuple[int, int]

    def supports(self, python: tuple[int, int]) -> bool:
        """Whether it declares this Python."""
        return self.lowest <= python <= self.highest


IPV8_WHEELS = (
    IPv8Wheel(
        "2.10.0",
        "b4cf9b0bf9272c6d675ad7d06858d8d45bef92cfc5e77f754ca41bff7505a9be",
        (3, 7),
        (3, 11),
    ),
    IPv8Wheel(
        "2.12.0",
        "50164c27c1267159d8ea56f03034ec43371ac97e8be98e1ea16ce98d66de0721",
        (3, 7),
        (3, 11),
    ),
    IPv8Wheel(
        "2.13.0",
        "62b0784bfbe2582eb10049f2d6e95ca0cd641df604b148a42c7ee3f9c897cfd3",
        (3, 7),
        (3, 12),
    ),
    IPv8Wheel(
        "2.14.0",
        "8906a3b24b1704bfd78ccc62c98d6dcd20101da76aef29269e76ec9148a0c76d",
        (3, 7),
        (3, 12),
    ),
    IPv8Wheel(
        "3.0.0",
        "1a3443735ed88b5d6aad465bb35786cc9101535704631512fa4343a45e5b4469",
        (3, 9),
        (3, 13),
    ),
    IPv8Wheel(
        "3.1.0",
        "9d87240d3ee06fb4713f85e9191fe18ae8df203aa4b911ab81bbc01a84d5d76f",
        (3, 10),
        (3, 13),
    ),
    IPv8Wheel(
        "3.2.0",
        "8eefce0ff7f7e48c9999c23af0706ea8bb6ce9626f6e380f5fa8750e707af578",
        (3, 10),
        (3, 13),
    ),
    IPv8Wheel(
        "3.2.1",
        "4c4e13b39b4d76d7036e079408cbafd0a5b656bfafee06867703fa6f7364ca8b",
        (3, 10),
        (3, 13),
    ),
)


def fetch(wheel: IPv8Wheel) -> Path:
    """Give back the folder of an unpacked release, without what it depends on."""
    # For a Python that it declares, whichever this one is.
    target = ("--python-version", "{}.{}".format(*wheel.highest))
    requirement = f"pyipv8=={wheel.version}"
    return wheels.unpacked(requirement, wheel.sha256, FOLDER / wheel.version, *target)
