"""``tribler-udp-fix tribler`` where there is no Windows, and what it reads of an installation."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from tribler_udp_fix.cli.frozen import NoInstallation, examine

from .test_cli import cli


@pytest.mark.skipif(sys.platform == "win32", reason="tests/test_frozen.py has the lab's Windows")
@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_elsewhere_than_on_windows_it_says_so_in_one_line(action: str) -> None:
    result = cli("tribler", action)
    assert (result.returncode, result.stdout) == (2, "")
    assert "for Windows" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    asked = cli("tribler", action, "--json")
    told = json.loads(asked.stdout)
    assert (asked.returncode, told["exit_status"]) == (2, 2)
    assert "for Windows" in told["error"]


@pytest.mark.parametrize("action", ["install", "uninstall", "status"])
def test_each_action_has_help_with_examples(action: str) -> None:
    result = cli("tribler", action, "--help", COLUMNS="80")
    assert result.returncode == 0
    assert f"-m tribler_udp_fix tribler {action}" in result.stdout  # as it was called
    assert "--json" in result.stdout
    assert max(map(len, result.stdout.splitlines())) < 80


def test_an_action_must_be_named() -> None:
    result = cli("tribler")
    assert (result.returncode, result.stdout) == (2, "")
    assert "ACTION" in result.stderr


def lay(
    folder: Path, *modules: str, dlls: tuple[str, ...] = ("python3.dll", "python312.dll")
) -> Path:
    (folder / "lib").mkdir(parents=True)
    for name in ("Tribler.exe", *dlls):
        (folder / name).write_bytes(b"MZ")
    with zipfile.ZipFile(folder / "lib" / "library.zip", "w") as library:
        for module in modules:
            library.writestr(f"{module}.pyc", b"")
    return folder


def test_an_installation_tells_its_python_its_modules_and_what_is_to_be_copied(
    tmp_path: Path,
) -> None:
    found = examine(lay(tmp_path / "Tribler", "__startup__", "__init__tribler", "__main__tribler"))
    assert (found.python, found.version) == ("3.12", None)
    assert found.start_modules == ("__init__tribler", "__main__tribler")
    names = [path.name for path in found.copied]
    assert names == ["Tribler.exe", "python3.dll", "python312.dll"]


@pytest.mark.parametrize(
    "missing", ["the launcher", "the start module", "the python", "the library"]
)
def test_what_cannot_be_started_is_no_installation(missing: str, tmp_path: Path) -> None:
    dlls = () if missing == "the python" else ("python312.dll",)
    modules = () if missing == "the start module" else ("__init__tribler",)
    folder = lay(tmp_path / "Tribler", *modules, dlls=dlls)
    if missing == "the launcher":
        (folder / "Tribler.exe").unlink()
    if missing == "the library":
        (folder / "lib" / "library.zip").write_bytes(b"not a zip file")
    with pytest.raises(NoInstallation) as refused:
        examine(folder)
    assert str(folder) in str(refused.value)
    assert [told for told in documented() if told in str(refused.value)]


def documented() -> list[str]:
    """What the table in docs/frozen.md says what to do about, without what stands for a folder."""
    page = (Path(__file__).parent.parent / "docs" / "frozen.md").read_text("utf-8")
    table = page.partition("| it says |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1].strip() for row in table.splitlines()[2:]]
    return [row.partition(" *")[0] for row in rows]
