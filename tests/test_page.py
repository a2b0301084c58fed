"""The page as its users meet it: in a browser, before real endpoints whose faults are real."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator
from urllib.parse import quote

import pytest

if sys.platform == "win32":
    pytest.skip("the page is tested in Debian's Chromium", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from tests.screenshots import KEY, PAGE, Browser, Service
from tests.winlab import tools
from tests.winlab.errors import LabError
from tribler_udp_fix import Settings, testing

QUICK = Settings(probe_after=1, probe_timeout=0.5, tick=0.05, jitter=0.0, retry_cap=1.0)
# Slow enough for a page that looks every two seconds to see each step.
SLOW = Settings(probe_after=1, probe_timeout=1.5, tick=0.05, jitter=0.0, retry_cap=1.0)
IDLE = Settings(probe_after=3600, probe_timeout=0.5, tick=0.05)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        tools.lay_browser()
    except LabError as error:
        pytest.fail(str(error), pytrace=False)
    made = Browser()
    yield made
    made.close()


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


# ---- what it says of the endpoints


def test_endpoints_that_hear_are_green_and_those_whose_peers_are_quiet_say_so(visit: Any) -> None:
    user = visit()
    user.service.say("IPv4", 500)
    user.sees("IPv4", "Hears its peers", "ok")
    user.sees("IPv6", "Can hear; its peers are quiet", "ok")
    user.reads("Both connections can hear", "Live, updated")
    assert user.browser.run("document.title") == "✓ Both connections can hear – UDP health"


def test_an_endpoint_that_has_not_heard_anything_yet_is_not_called_healthy(visit: Any) -> None:
    user = visit(IDLE)
    user.sees("IPv4", "Has just started; listening", "wait")
    user.reads("Both connections are being checked", "Nothing heard yet.")


def test_a_deaf_endpoint_turns_amber_and_green_again_when_it_has_been_mended(visit: Any) -> None:
    user = visit(SLOW)
    user.reads("Both connections can hear")
    with user.service.fault(
        testing.lost_completion, user.service.endpoints["IPv4"], until="rebind"
    ):
        user.sees("IPv4", "Missed a check; checking again", "wait")
        user.reads("1 of 2 connections is being checked")
        user.sees("IPv6", "Can hear; its peers are quiet", "ok")
        title = user.service.title("IPv4")
        user.reads(f"{title}: hears again", f"{title}: reconnected at port {title.split()[-1]}")
        user.reads("Both connections can hear")
    assert "Reconnected\n1 time\n" in user.card("IPv4")


def test_an_endpoint_whose_port_is_taken_is_red_and_says_why(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    endpoint = user.service.endpoints["IPv4"]
    with user.service.fault(testing.taken_port, endpoint) as port:
        with user.service.fault(testing.lost_completion, endpoint, until="rebind"):
            user.sees("IPv4", "Cannot hear; will try again", "bad")
        user.reads("1 of 2 connections cannot hear", "The last try failed: OSError", "in use")
        assert re.search(r"could not reconnect\s+\d+ times; OSError", user.browser.text)
        user.service.call(port.release)
    user.sees("IPv4", "Can hear; its peers are quiet", "ok")


def test_an_endpoint_that_cannot_be_mended_stays_red_through_each_try(visit: Any) -> None:
    user = visit(dataclasses.replace(SLOW, rebinds_per_hour=0))
    user.reads("Both connections can hear")
    endpoint = user.service.endpoints["IPv4"]
    with user.service.fault(testing.lost_completion, endpoint, until="rebind"):
        user.sees("IPv4", "Cannot hear; will try again", "bad")
        user.sees("IPv4", "Cannot hear; listening again", "bad")
        user.reads("1 of 2 connections cannot hear")
    user.sees("IPv4", "Can hear; its peers are quiet", "ok")


def test_a_reader_that_died_is_told_of_in_words_with_its_time(visit: Any) -> None:
    user = visit()
    with user.service.fault(testing.dead_reader, user.service.endpoints["IPv6"]):
        user.reads(f"{user.service.title('IPv6')}: began to listen again", "nothing was listening")
    times = user.browser.run("[...document.querySelectorAll('#events time')].map(t => t.dateTime)")
    assert times == sorted(times, reverse=True)
    shown = user.browser.run("document.querySelector('#events time').textContent")
    assert times[0][11:19] == shown  # the browser is in UTC


def test_an_endpoint_that_its_program_closed_is_neither_green_nor_alarming(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.service.call(user.service.endpoints["IPv4"].close)
    user.reads("Is switched off by the program", "1 of 2 connections can hear")


def test_bytes_heard_are_those_of_peers_and_not_the_probes(visit: Any) -> None:
    user = visit(opened=False)
    service = user.service
    user.browser.until(lambda: service.watched("IPv4").probes["answered"] > 1)
    assert service.watched("IPv4").bytes_heard == 0
    service.say("IPv4", 300)
    user.browser.until(lambda: service.watched("IPv4").bytes_heard)
    assert service.watched("IPv4").bytes_heard == 300
    service.call(service.endpoints["IPv4"].reset_byte_counters)
    assert service.watched("IPv4").bytes_heard == 0


def test_the_chart_shows_what_was_heard_and_the_errors_and_says_it_in_words(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")

    def label() -> str:
        user.service.say("IPv4", 1000)
        found = [name for name in user.browser.names("image") if name.startswith("Chart")]
        return found[0] if found else ""

    user.browser.until(lambda: re.search(r"heard \d+(\.\d)? KB, at most \d", label()))
    assert "0 errors" in label()
    user.service.error("IPv4", OSError(10054, "reset"))
    user.browser.until(lambda: "1 error." in label())
    assert "1 × 10054" in user.card("IPv4")
    assert "none" in user.card("IPv6")
    drawn = "document.querySelectorAll('.endpoint .plot {}').length"
    assert user.browser.run(drawn.format(".curve")) == 2
    assert user.browser.run(drawn.format(".error")) == 1
    heights = r"document.querySelector('.plot .curve').getBBox().height"
    assert user.browser.run(heights) > 20


def test_versions_and_repairs_are_there_and_what_they_hold_is_shown_as_text(visit: Any) -> None:
    user = visit(opened=False)
    nasty = "<img src=x onerror=alert(1)>"
    user.service.extra["tribler"] = nasty
    user.opens()
    user.tabs_to("Versions and repairs")
    user.browser.press("Enter")
    user.reads(nasty, "an ICMP error ends a waiting receive", "Not needed", "no Proactor")
    assert user.browser.run("document.images.length") == 0


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
    user.browser.until(lambda: "rebinds_per_hour=0 is used up" in user.card("IPv4"))
    assert "rebinds_per_hour=0 is used up" in user.told
    assert "used up" not in user.card("IPv6")


def test_a_rebind_that_fails_says_why(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    with user.service.fault(testing.taken_port, user.service.endpoints["IPv4"]):
        user.tabs_to(f"Reconnect {user.service.title('IPv4')}")
        user.browser.press("Enter")
        user.browser.until(lambda: "Could not reconnect: OSError" in user.card("IPv4"))


def test_a_button_that_is_pressed_twice_acts_once_at_a_time(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.tabs_to("Reconnect all")
    for _ in range(3):
        user.browser.press("Enter")
    user.reads("Reconnected: all can hear.")
    assert user.posts() == ["rebind"]


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
    user.browser.send("Input.insertText", text=KEY)
    user.browser.press("Enter")
    user.reads("Both connections can hear")
    assert "API key" not in user.browser.text
    assert not any(quote(KEY) in path for _, path in user.service.requests)


# ---- the program away


def test_a_program_that_is_gone_is_asked_less_and_less_and_nothing_stays_green(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.service.vanish()
    user.reads("The program does not answer", "The state is not known", "Not updated since")
    assert "Both connections can hear" not in user.browser.text
    assert user.told == "The program does not answer"
    green = "getComputedStyle(document.querySelector('.endpoint .state .icon')).color"
    assert user.browser.run(green) == "rgb(87, 96, 106)"
    user.reads("Next try in 4 s")
    user.reads("Next try in 8 s")
    user.reads("Next try in 16 s")
    user.service.serve()
    user.tabs_to("Try again now")
    user.browser.press("Enter")
    user.reads("Both connections can hear", seconds=5)
    assert "The program does not answer" not in user.browser.text


def test_an_answer_that_is_an_error_is_shown_with_its_reason(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.service.broken = 503
    user.reads("The program cannot tell", "out of order Next try in")
    user.service.broken = 0
    user.reads("Both connections can hear")


def test_a_hidden_page_does_not_ask(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    user.browser.hide(True)
    time.sleep(0.5)
    before = len(user.service.requests)
    time.sleep(5)
    assert len(user.service.requests) == before
    user.browser.hide(False)
    user.browser.until(lambda: len(user.service.requests) > before, 3)


def test_a_visible_page_asks_every_two_seconds(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    before = len(user.service.requests)
    time.sleep(6.5)
    assert 2 <= len(user.service.requests) - before <= 4


# ---- for everybody


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
        user.reads("1 of 2 can hear. Could not reconnect: OSError")
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


# ---- as a file


def test_the_policy_that_it_works_under_refuses_html_from_data(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    with pytest.raises(RuntimeError, match="TrustedHTML"):
        user.browser.run("document.body.innerHTML = '<b>x</b>'")
    assert [line for line in user.browser.console if "TrustedHTML" in line]
    user.browser.console.clear()


def test_it_is_one_file_that_hashes_can_allow_and_that_names_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for tag in ("script", "style"):
        assert re.findall(f"<{tag}[^>]*>", page) == [f"<{tag}>"]
    assert re.findall(r"""\s(?:style|on\w+|src)=["']""", page) == []
    assert set(re.findall(r"https?://[^\s\"'`]+", page)) == {"http://www.w3.org/2000/svg"}
    assert len(page.splitlines()) < 600


def test_where_there_is_no_chromium_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "BROWSER_SIGNS", {str(tmp_path / "chromium"): "chromium"})
    monkeypatch.setenv("PATH", str(tmp_path))  # no apt-get there
    with pytest.raises(LabError) as raised:
        tools.lay_browser()
    said = str(raised.value)
    assert said.startswith(
        "the page is tested in Debian's Chromium: run `apt-get install chromium`"
    )
    assert "\n" not in said
