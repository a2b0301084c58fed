"""What a side-car is, as it was made, in a file within it: any program may have changed that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import tribler_udp_fix
from tribler_udp_fix._startup import _sidecar
from tribler_udp_fix.cli.places import Places

LAUNCHED, BY_PYTHON = "launcher", "python"  # the ways in which a side-car starts Tribler

FILE = "sidecar.json"


class Sidecar(NamedTuple):
    """A side-car.

    ``way`` is "launcher" or "python", ``command`` what it starts Tribler with. ``watched`` are the
    files that it has copies of: name, size in bytes, time of the last change in nanoseconds.
    ``renewer`` is the Python that makes it anew when Tribler was updated.
    """

    plugin: str
    installation: str
    version: str | None
    way: str
    command: list[str]
    watched: list[tuple[str, int, int]]
    launcher_refused: str = ""
    renewer: str = ""

    def out_of_date(self, places: Places) -> str:
        """Why it has to be made anew, in words; "" when it need not."""
        for path in self._files(places):
            if not path.is_file():
                return f"{path} is missing"
        changed = _sidecar.what_changed(self.installation, self.watched)
        if changed:
            return f"Tribler was updated: its {changed} is not the one that was copied"
        if self.plugin != tribler_udp_fix.__version__:
            return f"it has tribler_udp_fix {self.plugin}"
        return "" if places.shortcut.is_file() else "its shortcut is missing"

    def _files(self, places: Places) -> list[Path]:
        """Some that it cannot do without."""
        files = [Path(word) for word in self.command if not word.startswith("-")]
        if self.way == LAUNCHED:
            files += [places.folder / name for name, *_ in self.watched]
            files.append(places.lib / "__startup__.py")
        return [*files, places.site / "tribler_udp_fix" / "_startup" / "_sidecar.py"]

    def as_json(self) -> bytes:
        """What the file holds."""
        return json.dumps(self._asdict(), indent=2).encode("utf-8")


def read(places: Places) -> Sidecar | None:
    """The side-car that is there, or None. Raises nothing: what cannot be read is not there."""
    try:
        record: dict[str, Any] = json.loads((places.folder / FILE).read_text(encoding="utf-8"))
        record["watched"] = [tuple(file) for file in record["watched"]]
        made = Sidecar(**record)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return made if _is_whole(made) else None


def is_damaged(places: Places) -> bool:
    """Whether there is a side-car whose record cannot be read."""
    return places.folder.exists() and read(places) is None


def _is_whole(made: Sidecar) -> bool:
    """Whether every field has its type."""
    texts = [made.plugin, made.installation, made.launcher_refused, made.renewer]
    if not _are(str, [*texts, "" if made.version is None else made.version]):
        return False
    if made.way not in (LAUNCHED, BY_PYTHON) or not made.command or not _are(str, made.command):
        return False
    return all(
        len(file) == 3 and _are(str, list(file[:1])) and _are(int, list(file[1:]))
        for file in made.watched
    )


def _are(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
