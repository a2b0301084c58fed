"""A stand-in for an installed Tribler, and a user of it, in the lab."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

from .lab_command import winlab
from .winlab import frozen
from .winlab.places import windows_path

MINOR = frozen.PYTHON.minor

# Wine names the folders of a user's own data itself, whatever the environment says.
_AS_USER = """\
import os, sys
home = sys.argv.pop(1)
os.environ["LOCALAPPDATA"] = home + "\\\\Local"
os.environ["APPDATA"] = home + "\\\\Roaming"
"""
_CLI = "from tribler_udp_fix.cli import main; sys.exit(main())"
_START = """\
import subprocess
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
sys.stdout.buffer.write(done.stdout)
sys.stderr.buffer.write(done.stderr)
sys.exit(done.returncode)
"""

# Runs one step of the command line while the programs that came before run.
WHILE_RUNNING = """
import json, os, subprocess
from tribler_udp_fix.cli import main
programs = [
    subprocess.Popen([exe, "--wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for exe in sys.argv[1].split("|")
]
for program in programs:
    assert program.stdout.readline().strip() == b"waiting"
status = main(sys.argv[2:])
told = [json.loads(program.communicate(timeout=60)[0]) for program in programs]
print(json.dumps({"status": status, "hears": [each["hears"] for each in told]}))
"""


class Result(NamedTuple):
    """How a program ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, which is JSON."""
        return json.loads(self.out)


class User:
    """A user of the lab's machine, with an installed Tribler and folders of their own."""

    def __init__(self, build: frozen.Build, folder: Path, home: Path | None = None) -> None:
        self.installation = folder / "Program Files" / "Tribler é"
        self.home = home or folder / "Jürgen 雪" / "AppData"
        shutil.copytree(frozen.frozen(build), self.installation)
        self.home.mkdir(parents=True)
        self.sidecar = self.home / "Local" / "tribler_udp_fix" / "Tribler"
        menu = self.home / "Roaming" / "Microsoft" / "Windows" / "Start Menu" / "Programs"
        self.shortcut = menu / "Tribler (UDP fix).lnk"

    def as_user(self, code: str, *words: str | Path, **env: str) -> Result:
        """Run code in Windows Python, with os and sys imported."""
        arguments = [windows_path(word) if isinstance(word, Path) else word for word in words]
        options: dict[str, Any] = {"env": _environ(env)}
        home = windows_path(self.home)
        # -P: the installed project, not the checkout's.
        done = winlab("run", MINOR, "-P", "-c", _AS_USER + code, home, *arguments, **options)
        return Result(done.returncode, done.stdout, done.stderr)

    def cli(self, *words: str | Path) -> Result:
        """Run ``tribler-udp-fix tribler``."""
        return self.as_user(_CLI, "tribler", *words)

    def install(self) -> Result:
        """Make the side-car for the installation."""
        return self.cli("install", "--dir", self.installation, "--json")

    def start(self, *command: str | Path, **env: str) -> Result:
        """Run a program."""
        return self.as_user(_START, *command, **env)

    def hashes(self) -> dict[str, str]:
        """Of each file of the installation, its SHA-256 and the time of its last change."""
        return {
            str(path.relative_to(self.installation)): (
                hashlib.sha256(path.read_bytes()).hexdigest() + f" {path.stat().st_mtime_ns}"
                if path.is_file()
                else "folder"
            )
            for path in self.installation.rglob("*")
        }

    def belongings(self) -> list[str]:
        """Every file and folder of the user's own data."""
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*"))


def _environ(env: dict[str, str]) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("TRIBLER_UDP_FIX")}
    return {**own, **env}


def wait_for(file: Path) -> None:
    """Wait until a program has written the file."""
    end = time.monotonic() + 30
    while not file.exists() or not file.read_text():
        assert time.monotonic() < end, f"{file} was not written"
        time.sleep(0.1)
