"""An app frozen by real cx_Freezes goes deaf, and with the side-car it does not.

What cx_Freeze builds stands for the installed Tribler: the same launchers, the same layout.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import tribler_udp_fix

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from .frozen_tribler import WHILE_RUNNING, User, wait_for
from .winlab import frozen
from .winlab.places import windows_path

# They share a Start menu with what runs in the same Wine.
pytestmark = pytest.mark.apart

TRIBLERS_OWN = frozen.Build("8.7.3", "Win32GUI")
EARLIER = frozen.Build("8.4.1", "Win32GUI")


@pytest.fixture(params=frozen.BUILDS, ids=str)
def each(request: pytest.FixtureRequest, tmp_path: Path) -> User:
    return User(request.param, tmp_path)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(TRIBLERS_OWN, tmp_path)


def launcher(user: User) -> Path:
    return user.sidecar / "Tribler.exe"


def update(user: User, build: frozen.Build) -> None:
    """As Tribler's installer does it: what was there is removed."""
    shutil.rmtree(user.installation)
    shutil.copytree(frozen.frozen(build), user.installation)


def start_by_shortcut(user: User, tmp_path: Path, *words: str) -> Any:
    told = tmp_path / "told.json"
    command: list[str | Path] = ["cmd", "/c", "start", "", "/wait", user.shortcut, *words]
    assert user.start(*command, FROZEN_APP_TELLS=windows_path(told)).status == 0
    return json.loads(told.read_text())


def test_it_goes_deaf_without_the_sidecar_hears_with_it_and_is_never_changed(each: User) -> None:
    before, belongings = each.hashes(), each.belongings()
    stock = each.start(each.installation / "Tribler.exe").json
    assert (stock["hears"], stock["plugin"]) == (False, False)

    made = each.install()
    assert made.status == 0, made.err
    assert made.json["sidecar"]["way"] == "launcher"
    repaired = each.start(launcher(each), "magnet:?dn=ü").json
    assert (repaired["hears"], repaired["errors"]) == (True, 20)
    assert repaired["arguments"] == ["magnet:?dn=ü"]
    assert repaired["file"] == stock["file"]  # the installation's own code

    assert each.cli("uninstall").status == 0
    added = set(each.belongings()) - set(belongings)
    assert added <= {"Local", "Roaming", *menu_folders()}  # Windows has these from the start
    assert each.hashes() == before


def menu_folders() -> list[str]:
    menu = Path("Roaming", "Microsoft", "Windows", "Start Menu", "Programs")
    return [str(folder) for folder in (menu, *menu.parents)]


def test_the_shortcut_starts_it_with_the_plugin(user: User, tmp_path: Path) -> None:
    assert user.install().status == 0
    told = start_by_shortcut(user, tmp_path, "a file.torrent")
    assert (told["hears"], told["arguments"]) == (True, ["a file.torrent"])
    assert told["executable"] == windows_path(launcher(user))


def test_the_variable_still_switches_the_plugin_off(user: User) -> None:
    assert user.install().status == 0
    assert user.start(launcher(user), TRIBLER_UDP_FIX="0").json["hears"] is False


def test_installing_twice_leaves_every_file_as_it_was(user: User) -> None:
    def files() -> dict[Path, int]:
        found = (path for path in user.home.rglob("*") if path.is_file())
        # Byte code is the trial's, and the trial is made anew.
        return {path: path.stat().st_mtime_ns for path in found if path.suffix != ".pyc"}

    assert user.install().status == 0
    first = files()
    assert user.install().status == 0
    assert files() == first


def test_status_tells_what_is_there(user: User) -> None:
    user.install()
    ready = user.cli("status", "--json")
    assert ready.status == 0
    assert ready.json["installation"] == {
        "folder": windows_path(user.installation),
        "version": "8.4.3",
        "python": "3.12",
        "launcher": "Tribler.exe",
    }
    sidecar = ready.json["sidecar"]
    assert (sidecar["state"], sidecar["plugin"]) == ("ready", tribler_udp_fix.__version__)
    assert sidecar["shortcut"] == windows_path(user.shortcut)
    lines = user.cli("status").out.splitlines()
    assert any(line.split() == ["side-car", "ready"] for line in lines)


@pytest.mark.parametrize(
    "file", ["python312.dll", "lib/__startup__.py", "site/tribler_udp_fix/_startup/_sidecar.py"]
)
def test_a_file_that_was_taken_away_is_named(user: User, file: str) -> None:
    user.install()
    (user.sidecar / file).unlink()
    sidecar = user.cli("status", "--json").json["sidecar"]
    missing = windows_path(user.sidecar / file)
    assert (sidecar["state"], sidecar["reason"]) == ("out of date", f"{missing} is missing")
    assert user.install().json["sidecar"]["state"] == "ready"


def test_without_a_tribler_nothing_is_done(user: User) -> None:
    for words in (["status"], ["install"], ["install", "--dir", windows_path(user.home)]):
        result = user.cli(*words)
        assert (result.status, result.out) == (2, "")
        assert len(result.err.splitlines()) == 1
    for action in ("install", "status"):
        told = user.cli(action, "--json")
        assert (told.status, told.json["exit_status"], told.json["installation"]) == (2, 2, None)
        assert "no frozen Tribler 8 was found" in told.json["error"]
    assert "there is no Tribler.exe in" in user.cli("install", "--dir", user.home).err
    assert user.cli("uninstall").out.strip() == "there was nothing to remove"
    assert user.belongings() == []


def test_what_another_tool_froze_is_refused(user: User) -> None:
    (user.installation / "lib" / "library.zip").unlink()
    result = user.install()
    assert result.status == 2
    assert "was not frozen by cx_Freeze" in result.err
    (user.installation / "base_library.zip").write_bytes(b"")  # PyInstaller's
    result = user.install()
    assert result.status == 2
    assert "is version 7" in result.err
    assert "install Tribler 8 from www.tribler.org" in result.err


def test_the_registry_tells_where_tribler_is(user: User) -> None:
    code = """
import winreg
key = winreg.CreateKey(winreg.HKEY_CURRENT_USER, "Software\\\\Tribler")
winreg.SetValueEx(key, "", 0, winreg.REG_SZ, sys.argv.pop(1))
from tribler_udp_fix.cli import main
try:
    status = main()
finally:
    winreg.DeleteKey(winreg.HKEY_CURRENT_USER, "Software\\\\Tribler")
sys.exit(status)
"""
    found = user.as_user(code, user.installation, "tribler", "install", "--json")
    assert found.status == 0, found.err
    assert found.json["installation"]["folder"] == windows_path(user.installation)


def test_after_an_update_of_tribler_the_sidecar_renews_itself_and_starts(
    user: User, tmp_path: Path
) -> None:
    user.install()
    update(user, EARLIER)
    status = user.cli("status", "--json")
    assert (status.status, status.json["sidecar"]["state"]) == (1, "out of date")
    assert "Tribler.exe" in status.json["sidecar"]["reason"]

    words = ["a b", "D:\\c d\\", 'e"f\\"g']
    started = renewed(user, tmp_path, *words)
    assert started["executable"] == windows_path(launcher(user))
    assert (started["hears"], started["arguments"]) == (True, words)
    assert user.cli("status", "--json").json["sidecar"]["state"] == "ready"
    assert user.start(launcher(user)).json["hears"] is True


def renewed(user: User, tmp_path: Path, *words: str) -> Any:
    """What the program tells that is started by a side-car which is not up to date."""
    told = tmp_path / "updated.json"
    user.start(launcher(user), *words, FROZEN_APP_TELLS=windows_path(told))
    wait_for(told)
    return json.loads(told.read_text())


def test_where_it_cannot_be_renewed_tribler_starts_as_it_is(user: User, tmp_path: Path) -> None:
    user.install()
    update(user, EARLIER)
    before = launcher(user).read_bytes()
    # The updated Tribler cannot be started by anybody: its Python is another one.
    (user.installation / "python312.dll").rename(user.installation / "python311.dll")
    code = """
from tribler_udp_fix._startup import _sidecar
from tribler_udp_fix.cli import record
from tribler_udp_fix.cli.places import places
_sidecar.__file__ = str(places().site / "tribler_udp_fix" / "_startup" / "_sidecar.py")
made = record.read(places())
print(_sidecar._renew(made.renewer))
print(_sidecar._renew(made.renewer + ".gone"))
"""
    why, gone = user.as_user(code).out.splitlines()
    assert "there is no Python 3.11 to start it with" in why
    assert gone.endswith("pythonw.exe.gone is not there any more")
    assert launcher(user).read_bytes() == before  # as it was: it is tried again

    update(user, EARLIER)
    record = json.loads((user.sidecar / "sidecar.json").read_text())
    for module in (user.sidecar / "lib").glob("*.py"):
        text = module.read_text("utf-8").replace(json.dumps(record["renewer"])[1:-1], "gone")
        module.write_text(text, "utf-8")
    started = renewed(user, tmp_path, "x")
    assert started["executable"] == windows_path(user.installation / "Tribler.exe")
    assert (started["plugin"], started["arguments"]) == (False, ["x"])


def test_it_remembers_its_folder_and_tells_what_is_damaged(user: User) -> None:
    assert user.install().status == 0
    record = user.sidecar / "sidecar.json"
    whole = json.loads(record.read_text("utf-8"))
    assert user.cli("install", "--json").json["installation"]["folder"] == whole["installation"]
    asked = user.cli("status", "--json", "--dir", user.installation)
    assert (asked.status, asked.json["sidecar"]["state"]) == (0, "ready")
    for name, value in (("watched", [1]), ("command", []), ("plugin", 7), ("way", "none")):
        record.write_text(json.dumps({**whole, name: value}), "utf-8")
        told = user.cli("status", "--json", "--dir", user.installation)
        assert (told.status, told.json["sidecar"]["state"], told.err) == (1, "out of date", "")
        assert told.json["sidecar"]["reason"].endswith("sidecar.json is damaged")
    text = user.cli("status", "--dir", user.installation).out
    assert "to renew it    tribler-udp-fix tribler install" in text
    assert user.install().json["sidecar"]["state"] == "ready"


def test_renewed_after_an_update_the_sidecar_is_as_if_it_were_new(tmp_path: Path) -> None:
    user = User(EARLIER, tmp_path)  # its encodings are in lib, and the others' in the launcher

    def files() -> list[str]:
        return [name for name in user.belongings() if "__pycache__" not in name]

    (user.installation / "of its time.dll").write_bytes(b"MZ")
    assert user.install().status == 0
    update(user, TRIBLERS_OWN)
    assert user.install().status == 0
    renewed = files()
    assert user.cli("uninstall").status == 0
    assert user.install().status == 0
    assert files() == renewed


def test_a_tribler_that_was_removed_is_told_and_the_sidecar_can_go(user: User) -> None:
    user.install()
    shutil.rmtree(user.installation)
    status = user.cli("status", "--json")
    assert (status.status, status.json["installation"]) == (1, None)
    assert user.start(launcher(user)).status != 0
    assert user.cli("uninstall").status == 0
    assert not user.sidecar.exists()


def test_a_launcher_that_ignores_the_sidecar_is_replaced_by_a_python(
    user: User, tmp_path: Path
) -> None:
    shutil.copy(frozen.PYTHON.executable, user.installation / "Tribler.exe")
    before = user.hashes()
    made = user.install()
    assert made.status == 0, made.err
    sidecar = made.json["sidecar"]
    assert sidecar["way"] == "python"
    assert "does not read the side-car's modules" in sidecar["launcher_refused"]
    told = start_by_shortcut(user, tmp_path, "x")
    assert (told["hears"], told["frozen"], told["arguments"]) == (True, True, ["x"])
    assert told["executable"].endswith("pythonw.exe")
    assert user.hashes() == before
    assert user.cli("uninstall").status == 0
    assert not user.sidecar.parent.exists()


def test_a_tribler_that_a_python_runs_is_closed_before_anything_is_removed(user: User) -> None:
    shutil.copy(frozen.PYTHON.executable, user.installation / "Tribler.exe")
    command = user.install().json["sidecar"]["command"]
    belongings = user.belongings()
    # As the shortcut does it: in the side-car's folder.
    code = WHILE_RUNNING.replace("[exe,", f"[*{command!r},").replace(
        "stdin=", "cwd=sys.argv[1], stdin="
    )
    refused = user.as_user(code, user.sidecar, "tribler", "uninstall")
    assert json.loads(refused.out) == {"status": 1, "hears": [True]}
    assert "close Tribler" in refused.err
    assert set(belongings) <= set(user.belongings())
    assert user.cli("uninstall").status == 0
    assert not user.sidecar.parent.exists()


def test_a_shortcut_that_is_open_elsewhere_leaves_nothing_behind(user: User) -> None:
    user.install()
    code = """
from tribler_udp_fix.cli import main
from tribler_udp_fix.cli.places import places
places().shortcut.write_bytes(b"of another version")
with places().shortcut.open("rb"):
    failed = main(["tribler", "install", "--dir", sys.argv[1]])
print(failed, main(["tribler", "uninstall"]))
"""
    told = user.as_user(code, user.installation)
    assert told.out.splitlines()[-1] == "1 0", told.err
    assert "Tribler (UDP fix).lnk" in told.err
    assert list(user.shortcut.parent.iterdir()) == []
    assert not user.sidecar.parent.exists()


def test_where_no_python_fits_it_says_what_to_install_and_leaves_nothing(user: User) -> None:
    shutil.copy(frozen.PYTHON.executable, user.installation / "Tribler.exe")
    (user.installation / "python312.dll").rename(user.installation / "python311.dll")
    result = user.install()
    assert (result.status, result.json["exit_status"]) == (1, 1)
    assert result.json["error"] in result.err
    assert "install the 64-bit Python 3.11" in result.err
    assert len(result.err.splitlines()) == 1
    assert [name for name in user.belongings() if "tribler_udp_fix" in name] == []
    assert not user.shortcut.exists()


def test_a_running_tribler_is_no_obstacle_but_to_uninstalling(user: User) -> None:
    user.install()
    running = "|".join(map(windows_path, (user.installation / "Tribler.exe", launcher(user))))
    again = user.as_user(WHILE_RUNNING, running, "tribler", "install", "--dir", user.installation)
    last = json.loads(again.out.splitlines()[-1])
    assert last == {"status": 0, "hears": [False, True]}, again.err

    belongings = user.belongings()
    refused = user.as_user(WHILE_RUNNING, running, "tribler", "uninstall")
    assert json.loads(refused.out) == {"status": 1, "hears": [False, True]}
    assert "close Tribler" in refused.err
    assert user.belongings() == belongings
    assert user.cli("uninstall").status == 0
    assert not user.sidecar.parent.exists()


def test_a_new_launcher_is_taken_over_while_the_old_one_runs(user: User) -> None:
    user.install()
    # As a signature would do it: the launcher is another file, and works.
    change = f"open({windows_path(user.installation / 'Tribler.exe')!r}, 'ab').write(b'new')"
    code = WHILE_RUNNING.replace("status = main", f"{change}\nstatus = main")
    words = ("tribler", "install", "--dir", user.installation)
    done = user.as_user(code, launcher(user), *words)
    assert json.loads(done.out.splitlines()[-1]) == {"status": 0, "hears": [True]}, done.err
    assert launcher(user).read_bytes().endswith(b"new")
    assert launcher(user).with_name("Tribler.exe.old").exists()  # it could not be written over
    assert user.start(launcher(user)).json["hears"] is True
    assert user.cli("uninstall").status == 0
    assert not user.sidecar.parent.exists()
