"""The plugin knows Tribler 7.13.1 as PyPI has it, and the stand-ins of the tests are true to it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("once is enough: the sources are the same everywhere", allow_module_level=True)

from .tribler_contract import STAND_INS, folder_reader, inventions, mismatches
from .winlab import tribler_wheel


@pytest.fixture(scope="module")
def wheel() -> Path:
    return tribler_wheel.fetch()


def test_each_target_of_the_wheel_has_the_shape_that_the_plugin_knows(wheel: Path) -> None:
    assert mismatches(folder_reader(wheel), "7") == {
        "tribler.core.start_core": None,
        "tribler.core.components.restapi.rest.rest_manager": None,
        "tribler.core.components.torrent_checker.torrent_checker.torrentchecker_session": None,
    }


def test_the_stand_in_has_nothing_that_the_wheel_has_not(wheel: Path) -> None:
    assert inventions(STAND_INS / "version7", folder_reader(wheel)) == []


@pytest.mark.parametrize("version", ["7", "8"])
def test_each_target_of_a_stand_in_has_the_shape_that_the_plugin_knows(version: str) -> None:
    found = mismatches(folder_reader(STAND_INS / f"version{version}"), version)
    assert set(found.values()) == {None}


REST_MANAGER = "tribler/core/components/restapi/rest/rest_manager.py"


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        (
            REST_MANAGER,
            "async def start(self)",
            "async def start(self, port)",
            "RESTManager.start takes (self, port)",
        ),
        (
            REST_MANAGER,
            "async def start(self)",
            "async def begin(self)",
            "RESTManager.start is not there",
        ),
        (REST_MANAGER, "class RESTManager", "class Manager", "there is no RESTManager in "),
        (
            "tribler/core/start_core.py",
            "components_gen(config",
            "components_gen(settings",
            "components_gen takes (settings)",
        ),
        (
            "tribler/core/components/restapi/rest/events_endpoint.py",
            "def send_event(self, message",
            "def send_event(self, topic",
            "EventsEndpoint.send_event takes (self, topic)",
        ),
        (
            "tribler/core/components/restapi/restapi_component.py",
            "class RESTComponent",
            "class Rest",
            "there is no class RESTComponent in ",
        ),
    ],
)
def test_a_tribler_of_another_shape_is_told_from_this_one(
    wheel: Path, path: str, old: str, new: str, reason: str
) -> None:
    read = folder_reader(wheel)

    def changed(asked: str) -> str | None:
        source = read(asked)
        if asked != path or source is None:
            return source
        assert old in source
        return source.replace(old, new)

    found = [why for why in mismatches(changed, "7").values() if why is not None]
    assert len(found) == 1
    assert reason in found[0]
