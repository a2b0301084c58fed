"""Newer asyncios over Windows Python 3.13: whole, pinned, and every test of theirs there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from .lab_command import winlab
from .winlab import lay, newest, overlays, places, pythons
from .winlab.errors import LabError

CODE = """
import asyncio, asyncio.graph, concurrent.futures, json, platform, sys
import ipv8_service  # and so typing_extensions and aiohttp, which ask for the version
own = sys.prefix + chr(92) + "Lib" + chr(92) + "overlay" + chr(92)
found = {n: m.__file__ for n, m in sys.modules.items() if n.startswith(("asyncio", "concurrent"))}
names = set(dir(asyncio)) | set(dir(asyncio.events)) | set(dir(asyncio.windows_events))
print(json.dumps({
    "version": [platform.python_version(), "{}.{}".format(*sys.version_info)],
    "strangers": [n for n, file in found.items() if file and not file.startswith(own)],
    "accelerator": sys.modules["_asyncio"] is not None,
    "policies": sorted(name for name in names if "olicy" in name),
}))
"""


@pytest.fixture(scope="module", autouse=True)
def laid() -> None:
    lay.lay(pythons.OVERLAYS)


@pytest.mark.parametrize("python", pythons.OVERLAYS, ids=str)
def test_all_of_asyncio_is_the_overlays_and_python_takes_itself_for_that_version(
    python: pythons.WindowsPython,
) -> None:
    # What pyipv8 needs knows no 3.16.
    code = CODE if python.minor != "3.16" else CODE.replace("import ipv8_service", "")
    done = winlab("run", python.minor, "-c", code)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["version"] == [python.version, python.minor]
    assert found["strangers"] == []
    assert not found["accelerator"]
    assert bool(found["policies"]) == (python.minor != "3.16")


def test_every_module_that_an_overlay_runs_is_there() -> None:
    files = {path.stem for path in (places.ROOT / "tests" / "windows").glob("test_*.py")}
    for python in pythons.OVERLAYS:
        assert python.overlay is not None
        assert set(python.overlay.tests) <= files


def test_an_archive_that_has_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "DOWNLOADS", tmp_path)
    overlay = pythons.OVERLAYS[0].overlay
    assert overlay is not None
    (tmp_path / overlay.archive).write_bytes(b"changed")
    with pytest.raises(LabError, match="delete it and try again"):
        overlays.fetch(overlay)


def test_what_debian_no_longer_has_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "DOWNLOADS", tmp_path)
    gone = pythons.Overlay("newest-3.15.2", "libpython3.15-stdlib_3.15.2-1_amd64.deb", "0" * 64)
    with pytest.raises(LabError, match=r"run `python3 -m tests\.winlab newest` again"):
        overlays.fetch(gone)


@pytest.mark.parametrize(
    ("file", "version"),
    [
        ("libpython3.15-stdlib_3.15.2-1_amd64.deb", "3.15.2"),
        ("libpython3.16-stdlib_3.16.0~rc1-1_amd64.deb", "3.16.0rc1"),
        ("libpython3.14-stdlib_3.14.10-2+b1_amd64.deb", "3.14.10"),
    ],
)
def test_a_packages_file_tells_cpythons_version(file: str, version: str) -> None:
    assert newest.version_of(file) == version


def test_what_newest_fetched_is_found_by_its_version_and_by_no_other_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"version": "3.15.2", "file": "x.deb", "sha256": "0" * 64}]
    file = tmp_path / "newest.json"
    file.write_text(json.dumps(rows))
    monkeypatch.setattr(pythons, "NEWEST", file)
    assert pythons.find("3.15.2").tag == "newest-3.15.2"
    assert pythons.find("3.15").tag == "cp315"
    assert pythons.find("3.15.2") not in pythons.select(None)
