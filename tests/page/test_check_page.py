"""The page of ``tribler check``, as its user reads it."""

from __future__ import annotations

import sys
import time
import types
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("the page is tested in Debian's Chromium", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from tribler_udp_fix._tribler import _whereabouts
from tribler_udp_fix.cli.check import Trials, examine

from .browser import Browser
from .check_reports import HEALTH_PAGE, report, served
from .service import KEY
from .test_accessibility import axe

pytestmark = pytest.mark.apart  # they take minutes

FAILS = "every send fails: Network is unreachable; is there a network?"
LATE = "its event loop was too late to tell whether it hears"
NEXT = "start Tribler (UDP fix) from the Start menu"


@pytest.mark.parametrize(
    ("told", "texts", "linked"),
    [
        (report("works", "", "healthy", "quiet"), ["Yes", "every connection hears"], True),
        (
            report("deaf", "", "healthy", "backing off"),
            ["IPv4, port 8090 hears", "IPv6, port 8091 cannot hear; is tried again"],
            True,
        ),
        (
            report("cut off", FAILS, "healthy", "healthy", condition="cannot send", reason=FAILS),
            ["It reaches no peer", "Every send fails", f"IPv4, port 8090: {FAILS}"],
            True,
        ),
        (
            report("works", "", "unknown", "healthy", condition="connected", reason="one peer"),
            ["Yes", "IPv4, port 8090 hears one peer alone, and cannot be checked"],
            True,
        ),
        (
            report("untold", LATE, "unknown", "healthy", condition="", reason=LATE),
            ["That cannot be told", f"IPv4, port 8090: {LATE}"],
            True,
        ),
        (report("nothing", NEXT), ["Tribler does not run", f"S{NEXT[1:]}."], False),
    ],
    ids=["works", "deaf", "cut off", "connected", "untold", "nothing"],
)
def test_it_says_in_words_how_tribler_stands(
    browser: Browser, told: dict[str, Any], texts: list[str], linked: bool
) -> None:
    browser.console.clear()
    with served(told) as address:
        browser.go(address)
        browser.until(lambda: all(text in browser.text for text in texts))
        assert "deaf or lost datagrams in 10 of 11 ways" in browser.text
        assert "key" not in str(browser.run("location.search"))
        links = browser.run("[...document.querySelectorAll('#links a')].map(a => a.href)")
        assert links == ([HEALTH_PAGE] if linked else [])
        browser.go("about:blank")
    assert browser.console == []


def test_its_button_opens_the_health_page_which_asks_for_no_key(
    visit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    user = visit(opened=False)
    port = urllib.parse.urlsplit(user.service.url).port
    middleware = types.SimpleNamespace(api_key=KEY)
    app = types.SimpleNamespace(middlewares=[middleware])
    rest_manager = types.SimpleNamespace(
        runner=types.SimpleNamespace(addresses=[("127.0.0.1", port)]),
        root_endpoint=types.SimpleNamespace(app=app),
    )
    _whereabouts.write(rest_manager, "/api/udp-fix", "key")
    trials = Trials()
    trials.join()
    browser = user.browser
    with served(lambda: examine(trials)) as address:
        browser.go(address)
        user.reads("every connection hears")
        # In the words of the health page.
        names = [user.service.title(family) for family in ("IPv4", "IPv6")]
        user.reads(*(f"{name} hears" for name in names))
        user.tabs_to("Open its health page")
        browser.press("Enter")
        with browser.new_tab():
            user.reads("Both connections can hear", *names)
            assert "API key" not in browser.text
        browser.go("about:blank")
        browser.run("0")  # so that all that the page asked for has been told
    # The page of the check is no part of the service, whose own addresses are alone allowed.
    host = address.rpartition("/")[0]
    browser.urls[:] = [url for url in browser.urls if not url.startswith(host)]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1180), ("dark", 320)])
def test_axe_finds_nothing_and_a_screen_reader_is_told_nothing_twice(
    browser: Browser, scheme: str, width: int
) -> None:
    browser.look(width, 900, prefers_color_scheme=scheme)
    looks = []

    def told() -> dict[str, Any]:
        looks.append(time.monotonic())
        return report("deaf", "", "healthy", "backing off")

    with served(told) as address:
        browser.go(address)
        browser.until(lambda: "10 of 11" in browser.text)
        browser.run("""window.changes = 0;
            new MutationObserver((some) => window.changes += some.length).observe(
                document.querySelector('[aria-live]'),
                {childList: true, characterData: true, subtree: true});
            dispatchEvent(new Event('visibilitychange'))""")
        before = len(looks)
        browser.until(lambda: len(looks) > before)
        browser.run("new Promise((done) => setTimeout(done, 200))")
        assert browser.run("window.changes") == 0
        browser.run("document.querySelector('details').open = true")
        assert axe(browser) == []
        assert browser.run("document.documentElement.scrollWidth") == width
        dark = browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(19, 22, 26)"
        assert dark == (scheme == "dark")
        browser.go("about:blank")
    browser.look()
