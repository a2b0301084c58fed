"""The page for everybody: with a screen reader, in the dark, in a narrow window."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the page is tested in Debian's Chromium", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from tribler_udp_fix import testing

from .browser import Browser

pytestmark = pytest.mark.apart  # they take minutes


def axe(browser: Browser) -> list[str]:
    """What axe-core has against the page as it is now."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or not spec.submodule_search_locations:
        pytest.fail("there is no axe-core: run `python3 -m tests.winlab test`", pytrace=False)
    script = (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
    browser.run(f"{script}; null")
    found = browser.run("axe.run({resultTypes: ['violations', 'incomplete']})")
    assert found["passes"], "axe-core has looked at nothing"
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def test_a_screen_reader_finds_landmarks_and_headings(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    roles = [(node["role"], node["name"]) for node in user.browser.accessible()]
    assert ("banner", "") in roles
    assert ("main", "") in roles
    regions = [name for role, name in roles if role == "region"]
    assert regions[:3] == ["Both connections can hear", "Connections", "What happened"]
    headings = [name for role, name in roles if role == "heading"]
    assert headings[:3] == ["UDP health", "Both connections can hear", "Connections"]
    assert headings[3:5] == [user.service.title("IPv4"), user.service.title("IPv6")]
    items = [name for role, name in roles if role == "listitem"]
    assert items[:2] == headings[3:5]


def test_the_live_region_is_silent_while_nothing_changes(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.browser.run("""window.changes = 0;
        new MutationObserver(() => window.changes++).observe(
            document.querySelector('[role=status]'),
            {childList: true, characterData: true, subtree: true});
        0""")
    for _ in range(50):
        user.service.say("IPv4", 400)
        time.sleep(0.1)
    assert user.browser.run("window.changes") == 0
    endpoint = user.service.endpoints["IPv4"]
    deaf = user.service.fault(testing.lost_completion, endpoint, until="rebind")
    with user.service.fault(testing.taken_port, endpoint), deaf:
        user.browser.until(lambda: user.told == "1 of 2 connections cannot hear")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1180, 360])
def test_axe_finds_nothing_with_green_and_red_and_an_error(
    visit: Any, scheme: str, width: int
) -> None:
    user = visit()
    user.browser.look(width, 900, prefers_color_scheme=scheme)
    user.reads("Both connections can hear")
    assert axe(user.browser) == []
    endpoint = user.service.endpoints["IPv4"]
    with user.service.fault(testing.taken_port, endpoint):
        with user.service.fault(testing.lost_completion, endpoint, until="rebind"):
            user.reads("1 of 2 connections cannot hear")
        user.browser.run("document.querySelector('details').open = true")
        user.tabs_to("Check all now")
        user.browser.press("Enter")
        user.reads("1 of 2 can hear. Could not reconnect: another program has port")
        assert axe(user.browser) == []
        user.service.broken = 401
        user.reads("This page needs the API key")
        assert axe(user.browser) == []


def test_it_is_light_or_dark_as_the_system_is(visit: Any) -> None:
    user = visit()
    colours = []
    for scheme in ("light", "dark"):
        user.browser.look(prefers_color_scheme=scheme)
        colours.append(user.browser.run("getComputedStyle(document.body).backgroundColor"))
    assert colours == ["rgb(245, 246, 248)", "rgb(19, 22, 26)"]


def test_nothing_turns_for_somebody_who_wants_less_motion(visit: Any) -> None:
    user = visit()
    user.tabs_to("Check all now")
    names = []
    for motion in ("no-preference", "reduce"):
        user.browser.look(prefers_reduced_motion=motion)
        names.append(
            user.browser.run("""(() => {
                const where = document.querySelector('#all-outcome');
                where.hidden = false;
                where.className = 'outcome none working';
                where.innerText = '';
                where.append(document.querySelector('#summary > .icon').cloneNode(true));
                return getComputedStyle(where.firstChild).animationName;
            })()""")
        )
    assert names == ["turn", "none"]


def test_a_narrow_window_needs_no_scrolling_sideways(visit: Any) -> None:
    user = visit()
    user.browser.look(320, 700)
    user.reads("Both connections can hear")
    user.browser.run("document.querySelector('details').open = true")
    assert user.browser.run("document.documentElement.scrollWidth") == 320
