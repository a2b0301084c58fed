"""The installer for Windows, from its building to the state after it was uninstalled.

It installs for a Tribler that stands in for the real one: see ``test_frozen``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest

import tribler_udp_fix

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from .frozen_tribler import Result, User, wait_for
from .winlab import frozen
from .winlab.places import windows_path
from .winlab.setup import build

# They share a Start menu, and the registry, with what runs in the same Wine.
pytestmark = pytest.mark.apart

NOT_DONE, NO_TRIBLER, RUNNING = 2, 3, 4

BUILD = frozen.Build("8.7.3", "Win32GUI")
UPDATED = frozen.Build("8.4.1", "Win32GUI")

# Runs a program while others run.
WHILE_RUNNING = """
import subprocess, time
programs = [
    subprocess.Popen([exe, "--wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for exe in sys.argv[1].split("|")
]
for program in programs:
    assert program.stdout.readline().strip() == b"waiting"
status = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode
log = next(word[5:] for word in sys.argv if word.startswith("/LOG="))
end = time.monotonic() + 30
while not os.path.exists(log):  # the uninstaller goes on in a copy of itself
    assert time.monotonic() < end
    time.sleep(0.1)
for program in programs:
    program.communicate(timeout=60)
sys.exit(status)
"""

REGISTERED = """
import json, winreg
from tribler_udp_fix.cli.registry import KEY
try:
    key = winreg.OpenKey(winreg.HKEY_CURRENT_USER, KEY)
except FileNotFoundError:
    print("null")
    sys.exit()
values = [winreg.EnumValue(key, index) for index in range(winreg.QueryInfoKey(key)[1])]
print(json.dumps({name: value for name, value, _ in values}))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.build(tmp_path_factory.mktemp("dist"))


class Installed(User):
    """A user who has the installer."""

    def __init__(self, program: Path, folder: Path, home: Path | None = None) -> None:
        super().__init__(BUILD, folder, home)
        self.program = program
        self.folder = folder
        self.root = self.home / "Local" / "tribler_udp_fix"
        self.check = self.shortcut.with_name("UDP check for Tribler.lnk")

    def setup(self, *words: str, tribler: Path | None = None, **env: str) -> Result:
        """Run it silently; ``out`` is what it says."""
        return self.silently(
            self.program, f"/TRIBLER={windows_path(tribler or self.installation)}", *words, **env
        )

    def uninstall(self) -> Result:
        """Run the uninstaller silently, until it has ended."""
        result = self.silently(self.root / "uninstall.exe")
        end = time.monotonic() + 30
        while self.log.exists() is False or list(self.temp.glob("~nsu*")):
            assert time.monotonic() < end, "the uninstaller does not end"
            time.sleep(0.1)
        return result._replace(out=self.log.read_text("utf-8"))

    def silently(self, program: Path, *words: str, **env: str) -> Result:
        """Run a program with /S, in a folder for temporary files of its own."""
        self.log.unlink(missing_ok=True)
        self.temp.mkdir(exist_ok=True)
        temp = env.pop("TEMP", windows_path(self.temp))
        result = self.start(
            program, "/S", f"/LOG={windows_path(self.log)}", *words, TEMP=temp, TMP=temp, **env
        )
        said = self.log.read_text("utf-8") if self.log.exists() else ""
        return result._replace(out=said)

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "said.txt"

    @property
    def temp(self) -> Path:
        """Where it unpacks itself."""
        return self.folder / "temp"

    def registered(self) -> Any:
        """What "Apps & features" has of it, or None."""
        return self.as_user(REGISTERED).json

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Every file of the user's own data, but byte code."""
        found = (path for path in self.home.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


@pytest.fixture
def user(program: Path, tmp_path: Path) -> Installed:
    return Installed(program, tmp_path, tmp_path / "100% Jürgen's 雪 & co" / "AppData")


def test_the_same_sources_make_the_same_bytes(program: Path, tmp_path: Path) -> None:
    assert build.sha256(build.build(tmp_path)) == build.sha256(program)


def test_it_goes_from_the_program_to_nothing_and_tribler_keeps_every_byte(
    user: Installed, tmp_path: Path
) -> None:
    before = user.hashes()
    done = user.setup()
    assert (done.status, done.out[:33]) == (0, "Tribler (UDP fix) is in the Start"), done
    assert not list(user.temp.iterdir())  # nothing of its own remains

    entry = user.registered()
    assert (entry["DisplayName"], entry["DisplayVersion"]) == (
        "Tribler UDP fix",
        tribler_udp_fix.__version__,
    )
    assert entry["UninstallString"] == f'"{windows_path(user.root / "uninstall.exe")}"'
    assert user.check.exists()
    record = json.loads((user.sidecar / "sidecar.json").read_text("utf-8"))
    assert record["renewer"] == windows_path(user.root / "Python" / "pythonw.exe")

    told = tmp_path / "told.json"
    command: list[str | Path] = ["cmd", "/c", "start", "", "/wait", user.shortcut, "a file.torrent"]
    assert user.start(*command, FROZEN_APP_TELLS=windows_path(told)).status == 0
    wait_for(told)
    started = json.loads(told.read_text())
    assert (started["hears"], started["arguments"]) == (True, ["a file.torrent"])

    python = user.root / "Python" / "python.exe"
    check = user.start(python, "-m", "tribler_udp_fix", "tribler", "check", "--json").json
    assert (check["verdict"], check["advice"]) == (
        "nothing",
        "start Tribler (UDP fix) from the Start menu",
    )
    tried = check["trials"]
    assert (tried["without"]["verdict"], tried["with_plugin"]["verdict"]) == ("exposed", "healthy")

    gone = user.uninstall()
    assert gone.out.strip() == "Tribler UDP fix was removed."
    assert user.registered() is None
    assert [path for path in user.home.rglob("*") if path.is_file()] == []
    assert not user.root.exists()
    assert user.hashes() == before


def test_without_a_tribler_8_it_says_so_and_lays_nothing(user: Installed) -> None:
    missing = user.setup(tribler=user.home)
    assert missing.status == NO_TRIBLER
    assert "There is no Tribler.exe in" in missing.out
    (user.installation / "base_library.zip").write_bytes(b"")
    version7 = user.setup()
    assert version7.status == NO_TRIBLER
    assert "is version 7" in version7.out
    assert "www.tribler.org" in version7.out
    nowhere = user.silently(user.program)
    assert nowhere.status == NO_TRIBLER
    assert "--dir" not in nowhere.out
    assert user.files() == {}
    assert not user.root.exists()


def test_while_tribler_runs_it_neither_installs_nor_uninstalls(user: Installed) -> None:
    def while_running(launcher: Path, program: Path) -> Result:
        user.log.unlink(missing_ok=True)
        words = (program, "/S", f"/LOG={windows_path(user.log)}")
        tribler = f"/TRIBLER={windows_path(user.installation)}"
        return user.as_user(WHILE_RUNNING, windows_path(launcher), *words, tribler)

    refused = while_running(user.installation / "Tribler.exe", user.program)
    assert refused.status == RUNNING, refused
    assert "close it, also in the notification area" in user.log.read_text("utf-8")
    assert not user.root.exists()

    assert user.setup().status == 0
    before = user.files()
    assert while_running(user.sidecar / "Tribler.exe", user.program).status == RUNNING
    assert user.files() == before
    # The uninstaller copies itself, and that copy does it: it tells in its log.
    while_running(user.sidecar / "Tribler.exe", user.root / "uninstall.exe")
    wait_for(user.log)
    assert user.log.read_text("utf-8").startswith("Tribler is running: close it")
    assert user.files() == before


def test_over_an_older_version_and_what_is_broken_it_lays_all_anew(user: Installed) -> None:
    assert user.setup().status == 0
    first = set(user.files())
    package = Path("tribler_udp_fix", "__init__.py")
    for site in (user.sidecar / "site", user.root / "Python" / "Lib" / "site-packages"):
        (site / package).write_text('__version__ = "0.0.1"\n')
        (site / "tribler_udp_fix" / "of_its_time.py").write_text("")
    (user.root / "Python" / "python312.zip").unlink()
    (user.sidecar / "sidecar.json").write_text("{")
    (user.sidecar / "python312.dll").unlink()
    user.shortcut.unlink()
    done = user.setup()
    assert done.status == 0, done
    assert set(user.files()) == first
    assert user.cli("status", "--json").json["sidecar"]["state"] == "ready"
    assert user.start(user.sidecar / "Tribler.exe").json["hears"] is True


def test_after_an_update_of_tribler_its_python_renews_the_sidecar(
    user: Installed, tmp_path: Path
) -> None:
    assert user.setup().status == 0
    shutil.rmtree(user.installation)
    shutil.copytree(frozen.frozen(UPDATED), user.installation)
    told = tmp_path / "told.json"
    user.start(user.sidecar / "Tribler.exe", FROZEN_APP_TELLS=windows_path(told))
    wait_for(told)
    assert json.loads(told.read_text())["hears"] is True
    assert user.cli("status", "--json").json["sidecar"]["state"] == "ready"


@pytest.fixture
def small(program: Path, tmp_path: Path) -> Iterator[Installed]:
    """A user whose own data are on a disk of their own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", disk], check=True)
    try:
        yield Installed(program, tmp_path, disk / "AppData")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def remount(user: Installed, options: str) -> None:
    disk = user.home.parent
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


def test_on_a_disk_without_room_it_says_so_and_lays_nothing(small: Installed) -> None:
    remount(small, "size=20m")
    refused = small.setup()
    assert refused.status == NOT_DONE
    assert "MB are needed" in refused.out
    assert not small.root.exists()
    # Where it cannot even unpack itself, Windows' own exit status of such a program tells.
    assert small.setup(TEMP=windows_path(small.home)).status == NOT_DONE
    assert small.files() == {}


def test_when_the_disk_fills_up_meanwhile_all_is_as_it_was(small: Installed) -> None:
    assert small.setup().status == 0
    before = small.files()
    used = len(list(small.home.parent.rglob("*"))) + 1
    remount(small, f"nr_inodes={used + 200}")  # there is room, and then there is none
    full = small.setup()
    assert full.status == NOT_DONE
    assert "disk is full" in full.out
    assert small.files() == before
    assert small.start(small.sidecar / "Tribler.exe").json["hears"] is True


def test_in_a_folder_that_may_not_be_written_it_says_so(small: Installed) -> None:
    assert small.setup().status == 0
    before = small.files()
    remount(small, "ro")
    refused = small.setup()
    assert refused.status == NOT_DONE
    assert "could not be written" in refused.out
    assert small.files() == before
