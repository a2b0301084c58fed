"""What the page does when its buttons are pressed, and for the key that it needs."""

from __future__ import annotations

import contextlib
import functools
import http.server
import sys
import threading
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote

import pytest

if sys.platform == "win32":
    pytest.skip("the page is tested in Debian's Chromium", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from tribler_udp_fix import Settings, testing

from .service import IDLE, KEY

pytestmark = pytest.mark.apart  # they take minutes

# ---- its buttons


def test_each_button_is_reached_by_tab_named_by_its_endpoint_and_told_apart(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    names = ["Check all now", "Reconnect all"]
    for family in ("IPv4", "IPv6"):
        names += [f"{text} {user.service.title(family)}" for text in ("Check now", "Reconnect")]
    found = []
    for _ in names:
        user.browser.press("Tab")
        found.append(user.focus)
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert user.browser.run(outline) == "solid"
    assert found == names
    assert user.browser.names("button") == names


def test_check_now_probes_that_endpoint_and_tells_the_outcome(visit: Any) -> None:
    user = visit(IDLE)
    user.reads("Has just started; listening")
    name = f"Check now {user.service.title('IPv4')}"
    user.tabs_to(name)
    user.browser.press("Enter")
    user.browser.until(lambda: "Checked: it can hear." in user.card("IPv4"))
    user.browser.until(lambda: user.told == f"{user.service.title('IPv4')}: Checked: it can hear.")
    assert (user.posts(), user.focus) == (["probe"], name)
    sent = [user.service.watched(family).probes["sent"] for family in ("IPv4", "IPv6")]
    assert sent == [1, 0]


def test_reconnect_gives_that_endpoint_a_socket_and_tells_the_outcome(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.tabs_to(f"Reconnect {user.service.title('IPv6')}")
    user.browser.press(" ")
    user.browser.until(lambda: "Reconnected: it can hear." in user.card("IPv6"))
    assert user.posts() == ["rebind"]
    assert [user.service.watched(family).rebinds for family in ("IPv4", "IPv6")] == [0, 1]
    assert "somebody asked for it" in user.browser.text


def test_reconnect_all_and_check_all_are_for_every_endpoint(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.tabs_to("Reconnect all")
    user.browser.press("Enter")
    user.reads("Reconnected: all can hear.")
    user.browser.press("Tab", shift=True)
    assert user.focus == "Check all now"
    user.browser.press("Enter")
    user.reads("Checked: all can hear.")
    assert user.posts() == ["rebind", "probe"]
    assert [user.service.watched(family).rebinds for family in ("IPv4", "IPv6")] == [1, 1]


def test_a_rebind_that_is_refused_says_why(visit: Any) -> None:
    user = visit(Settings(probe_after=1, probe_timeout=0.5, tick=0.05, rebinds_per_hour=0))
    user.reads("Both connections can hear")
    user.tabs_to(f"Reconnect {user.service.title('IPv4')}")
    user.browser.press("Enter")
    user.browser.until(lambda: "rebinds_per_hour=0 means never" in user.card("IPv4"))
    assert "rebinds_per_hour=0 means never" in user.told
    assert "used up" not in user.card("IPv6")


def test_a_rebind_that_fails_says_why(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    with user.service.fault(testing.taken_port, user.service.endpoints["IPv4"]):
        user.tabs_to(f"Reconnect {user.service.title('IPv4')}")
        user.browser.press("Enter")
        user.browser.until(
            lambda: "Could not reconnect: another program has port" in user.card("IPv4")
        )


def test_a_button_that_is_pressed_twice_acts_once_at_a_time(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.tabs_to("Reconnect all")
    for _ in range(3):
        user.browser.press("Enter")
    user.reads("Reconnected: all can hear.")
    assert user.posts() == ["rebind"]


# ---- other pages


def test_a_page_at_another_port_of_this_machine_reconnects_nothing(
    visit: Any, tmp_path: Path
) -> None:
    user = visit()
    user.browser.send("Network.setCookie", name="api_key", value=quote(KEY), url=user.service.url)
    target = user.service.url.replace("/ui", "/rebind")
    with another_page(tmp_path) as address:
        user.browser.go(address)
        user.browser.run(
            f"fetch({target!r}, {{method: 'POST', credentials: 'include', mode: 'no-cors'}})"
        )
    user.browser.urls.clear()
    assert user.posts() == ["rebind"]
    # The cookie went along: by it the page itself may.
    user.opens("")
    user.reads("Both connections can hear")
    assert [user.service.watched(family).rebinds for family in ("IPv4", "IPv6")] == [0, 0]
    user.tabs_to("Reconnect all")
    user.browser.press("Enter")
    user.reads("Reconnected: all can hear.")


@contextlib.contextmanager
def another_page(folder: Path) -> Iterator[str]:
    """The address of a page at another port of this machine."""
    (folder / "index.html").write_text("<!doctype html><link rel=icon href=data:,>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


# ---- the key


@pytest.mark.parametrize("parameter", ["key", "apikey"])
def test_the_key_in_its_address_is_passed_on(visit: Any, parameter: str) -> None:
    user = visit(opened=False)
    user.opens(f"?other=1&{parameter}={quote(KEY)}")
    user.reads("Both connections can hear")
    asked = [path for _, path in user.service.requests if "/health" in path]
    assert all(f"?{parameter}=" in path and "other" not in path for path in asked)


def test_the_cookie_is_enough(visit: Any) -> None:
    user = visit(opened=False)
    user.browser.send("Network.setCookie", name="api_key", value=quote(KEY), url=user.service.url)
    user.opens("")
    user.reads("Both connections can hear")


def test_without_a_key_it_says_so_and_takes_one(visit: Any) -> None:
    user = visit(opened=False)
    user.opens("")
    user.reads("This page needs the API key", "enter the key from the program's settings")
    assert "can hear" not in user.browser.text
    user.browser.until(lambda: user.told.startswith("This page needs the API key"))
    user.tabs_to("API key")
    user.browser.send("Input.insertText", text="wrong")
    user.browser.press("Enter")
    user.reads("That key was not accepted.")
    user.browser.run("document.activeElement.value = ''")
    user.browser.send("Input.insertText", text="a key…")  # copied with what no header can hold
    user.browser.press("Enter")
    user.reads("That key has a character that no key has.")
    user.browser.run("document.activeElement.value = ''")
    user.browser.send("Input.insertText", text=KEY)
    user.browser.press("Enter")
    user.reads("Both connections can hear")
    assert "API key" not in user.browser.text
    assert not any(quote(KEY) in path for _, path in user.service.requests)
