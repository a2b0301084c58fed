"""The page as its users meet it: in a browser, before real endpoints whose faults are real."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

if sys.platform == "win32":
    pytest.skip("the page is tested in Debian's Chromium", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from tribler_udp_fix import testing

from ..winlab import tools
from ..winlab.errors import LabError
from .service import IDLE, PAGE, SLOW

pytestmark = pytest.mark.apart  # they take minutes

# ---- what it says of the endpoints


def test_it_tells_a_quiet_network_from_peers_that_are_heard(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    assert "Median round trip" not in user.browser.text
    with user.service.peers(3) as pass_time:
        pass_time(1)
        user.reads("3 of 3 peers heard of late.", "Median round trip\nnot known yet")
        pass_time(60)
        user.reads("The network is quiet", "Quiet, being asked\n3")


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
        user.reads("1 of 2 connections cannot hear", "Another program has port")
        assert re.search(r"could not reconnect\s+another program has port", user.browser.text)
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


def test_an_endpoint_that_no_check_reaches_says_that_its_new_connection_heard_nothing(
    visit: Any,
) -> None:
    user = visit(dataclasses.replace(SLOW, rebinds_per_hour=1))
    user.reads("Both connections can hear")
    sender = user.service.watchdog._around.sender
    with user.service.fault(mock.patch.object, sender, "send", lambda *_: None):
        user.sees("IPv4", "Cannot hear; will try again", "bad", seconds=40)
        user.reads("The last try failed: the new connection heard nothing")
    user.sees("IPv4", "Can hear; its peers are quiet", "ok")


def test_where_no_check_can_be_sent_it_says_that_it_cannot_tell(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    refused = PermissionError(10013, "a firewall's answer")
    sender = user.service.watchdog._around.sender
    with user.service.fault(mock.patch.object, sender, "send", side_effect=refused):
        user.sees("IPv4", "Cannot tell: no check can be sent", "wait")
        user.reads("no check could be sent")
        user.service.run(user.service.watchdog.rebind())
        user.browser.run("document.getElementById('more').click()")  # what came since is newer
        user.reads("reconnected at port", "somebody asked for it, not checked yet")
    user.sees("IPv4", "Can hear; its peers are quiet", "ok")


def test_an_endpoint_whose_sends_all_fail_is_red_though_it_hears(visit: Any) -> None:
    user = visit()
    user.reads("Both connections can hear")
    endpoint = user.service.endpoints["IPv4"]
    with user.service.fault(testing.failing_sends, endpoint, 10013):
        for _ in range(12):
            user.service.call(endpoint.send, ("127.0.0.1", 9), b"nobody is to hear this")
            time.sleep(0.3)
        user.sees("IPv4", "Hears, but nothing that it sends leaves", "bad")
        user.reads("1 of 2 connections cannot reach peers", "let a firewall allow this program")
    user.service.call(endpoint.send, ("127.0.0.1", 9), b"free again")
    user.sees("IPv4", "Can hear; its peers are quiet", "ok")
    assert f"Bound to\n127.0.0.1:{user.service.watched('IPv4').address[1]}" in user.card("IPv4")
    assert "Configured\n127.0.0.1:any" in user.card("IPv4")


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
    assert len(page.splitlines()) < 700


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
