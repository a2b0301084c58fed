"""Somebody before the page, and what they can do and see there."""

from __future__ import annotations

from urllib.parse import quote

from .browser import Browser
from .service import KEY, Service


class User:
    """Somebody before the page."""

    def __init__(self, browser: Browser, service: Service) -> None:
        self.browser = browser
        self.service = service

    def opens(self, query: str = f"?key={quote(KEY)}") -> None:
        self.browser.go(self.service.url + query)

    def reads(self, *texts: str, seconds: float = 20.0) -> None:
        """All of *texts* come to stand on the page."""
        self.browser.until(lambda: all(text in self.browser.text for text in texts), seconds)

    def card(self, family: str) -> str:
        """What the card of the endpoint of *family* says."""
        cards = self.browser.run(
            "[...document.querySelectorAll('.endpoint')].map(c => c.innerText)"
        )
        return next((card for card in cards if card.startswith(family)), "")

    def sees(self, family: str, words: str, level: str, seconds: float = 20.0) -> None:
        """The card of *family* comes to say *words*, with the icon and colour of *level*."""
        script = f"""[...document.querySelectorAll('.endpoint')]
            .filter(card => card.innerText.startsWith('{family}')).map(card => [
                card.querySelector('.state strong').innerText,
                card.querySelector('.state use').getAttribute('href').replace('#icon-', ''),
                getComputedStyle(card.querySelector('.state .icon')).color])[0]"""
        colours = {"ok": "rgb(26, 127, 55)", "wait": "rgb(138, 90, 0)", "bad": "rgb(180, 35, 24)"}
        expected = [words, level, colours[level]]
        self.browser.until(lambda: self.browser.run(script) == expected, seconds)

    def tabs_to(self, name: str) -> None:
        """Press Tab until what has the focus is called *name*."""
        for _ in range(20):
            self.browser.press("Tab")
            if self.focus == name:
                return
        raise AssertionError(f"Tab does not reach {name!r}")

    @property
    def focus(self) -> str:
        """What a screen reader calls the element that has the focus."""
        focused = [node["name"] for node in self.browser.accessible() if node["focused"]]
        return str(focused[-1]) if focused else ""  # the document has it, too

    @property
    def told(self) -> str:
        """What the live region holds."""
        return str(self.browser.run("document.querySelector('[role=status]').textContent"))

    def posts(self) -> list[str]:
        return [
            path.split("?")[0].rpartition("/")[2]
            for method, path in self.service.requests
            if method == "POST"
        ]
