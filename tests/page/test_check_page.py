"""The page of ``tribler check``, as its user reads it."""

from __future__ import annotations

from typing import Any

import pytest

from .browser import Browser
from .check_reports import HEALTH_PAGE, report, served

NEXT = "start Tribler (UDP fix) from the Start menu"


@pytest.mark.parametrize(
    ("told", "texts", "linked"),
    [
        (report("works", "", "healthy", "quiet"), ["Yes", "every connection hears"], True),
        (report("deaf", "", "healthy", "backing off"), ["cannot hear; is tried again"], True),
        (report("nothing", NEXT), ["Tribler does not run", f"S{NEXT[1:]}."], False),
    ],
    ids=["works", "deaf", "nothing"],
)
def test_it_says_in_words_how_tribler_stands(
    browser: Browser, told: dict[str, Any], texts: list[str], linked: bool
) -> None:
    browser.console.clear()
    with served(told) as address:
        browser.go(address)
        browser.until(lambda: all(text in browser.text for text in texts))
        assert "deaf or lost datagrams in 9 of 10 ways" in browser.text
        assert "key" not in str(browser.run("location.search"))
        links = browser.run("[...document.querySelectorAll('#links a')].map(a => a.href)")
        assert links == ([HEALTH_PAGE] if linked else [])
        browser.go("about:blank")
    assert browser.console == []


def test_what_has_not_changed_is_not_put_there_anew_for_a_screen_reader_to_repeat(
    browser: Browser,
) -> None:
    looks: list[None] = []

    def told() -> dict[str, Any]:
        looks.append(None)
        return report("works", "", "healthy", "quiet")

    with served(told) as address:
        browser.go(address)
        browser.until(lambda: "every connection hears" in browser.text)
        browser.run("document.querySelector('#endpoints li').dataset.old = 'yes'")
        seen = len(looks)
        browser.until(lambda: len(looks) >= seen + 2)
        assert browser.run("document.querySelector('#endpoints li').dataset.old") == "yes"
        browser.go("about:blank")
