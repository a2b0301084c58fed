"""The browser in which the page is tested, and visits to the page."""

from __future__ import annotations

from typing import Callable, Iterator

import pytest

from tribler_udp_fix import Settings

from ..winlab import tools
from ..winlab.errors import LabError
from .browser import Browser
from .service import QUICK, Service
from .user import User


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        tools.lay_browser()
    except LabError as error:
        pytest.fail(str(error), pytrace=False)
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., User]]:
    """Open the page before a service; in the end, nothing may have gone wrong unseen."""
    services: list[Service] = []

    def make(settings: Settings = QUICK, opened: bool = True) -> User:
        service = Service(settings)
        service.__enter__()
        services.append(service)
        user = User(browser, service)
        if opened:
            user.opens()
        return user

    browser.send("Network.clearBrowserCookies")
    browser.look()
    browser.console.clear()
    browser.urls.clear()
    yield make
    origins = tuple(service.url.rpartition("/")[0] for service in services)
    browser.go("about:blank")
    for service in services:
        service.__exit__()
    # A status such as 401 is logged by Chromium, whatever the page does about it.
    assert [line for line in browser.console if "Failed to load resource" not in line] == []
    assert [url for url in browser.urls if not url.startswith((*origins, "about:"))] == []
