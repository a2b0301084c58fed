"""Packages of any Debian release: downloaded and unpacked, never installed."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Sequence

from . import places
from .command import run
from .errors import LabError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Release:
    """One release of Debian, as its archive is today."""

    def __init__(self, name: str, options: Sequence[str]) -> None:
        self.name = name
        self._options = options

    def packages(self, pattern: str) -> list[str]:
        """The names of its packages that match the whole of *pattern*, sorted."""
        names = run("apt-cache", ["apt-cache", *self._options, "pkgnames"]).split()
        return sorted(name for name in names if re.fullmatch(pattern, name))

    def download(self, packages: Sequence[str], folder: Path) -> list[Path]:
        """Download these packages into *folder*, and give back its files."""
        command = ["apt-get", "-q", *self._options, "download", *packages]
        run(f"apt-get download {packages[0]} of {self.name}", command, cwd=folder)
        return sorted(folder.glob("*.deb"))


@contextmanager
def release(name: str) -> Iterator[Release]:
    """A release such as "trixie", for the block; its lists are in a folder that goes with it.

    It comes from the mirror that this machine's own release is set up for.
    """
    places.LAB.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=places.LAB) as folder:
        state = Path(folder)
        (state / "lists" / "partial").mkdir(parents=True)
        (state / "cache" / "archives" / "partial").mkdir(parents=True)
        sources = state / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {name} main\n")
        values = {
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": state / "lists",
            "Dir::State::Status": "/dev/null",  # what is installed here is none of its packages
            "Dir::Cache": state / "cache",
            "Acquire::Languages": "none",
            # As root, since apt's own user may not write into the checkout.
            "APT::Sandbox::User": "root",
        }
        options = [part for key, value in values.items() for part in ("-o", f"{key}={value}")]
        run(f"apt-get update for {name}", ["apt-get", "-q", *options, "update"])
        yield Release(name, options)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a package into a folder."""
    run("dpkg", ["dpkg", "--extract", archive, folder])


def _mirror() -> str:
    """Where this machine has Debian itself from."""
    codename = _codename()
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    targets = run("apt-get indextargets", ["apt-get", "indextargets", "--format", form])
    for target in targets.splitlines():
        uri, _, rest = target.partition(" ")
        if rest in (f"{codename} main", "stable main"):
            return uri
    raise LabError(f"apt knows no mirror of Debian {codename}: run `apt-get update`")


def _codename() -> str:
    release_file = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)", release_file, re.MULTILINE)
    if not found:
        raise LabError("this machine is no Debian: /etc/os-release names no VERSION_CODENAME")
    return found[1]
