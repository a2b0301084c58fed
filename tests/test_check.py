"""``tribler check``: a page for this user alone, and what it finds of a Tribler that runs."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Iterator

import pytest

from tribler_udp_fix.cli import check, triblers
from tribler_udp_fix.cli.check_page import CheckPage

from .test_cli import ROOT, cli, environ

KEY = "of Tribler"


@pytest.fixture
def page() -> Iterator[CheckPage]:
    with CheckPage(lambda: {"heard": True}) as page:
        thread = threading.Thread(target=page.serve)
        thread.start()
        yield page
        page.until = 0.0
        thread.join()


def ask(page: CheckPage, path: str, method: str = "GET", **headers: str) -> Any:
    """The status, the headers and the text that it answers with."""
    connection = http.client.HTTPConnection(page.host, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    answer = connection.getresponse()
    told = answer.status, answer.headers, answer.read().decode()
    connection.close()
    return told


def test_the_address_opens_it_once_and_a_cookie_keeps_it_open(page: CheckPage) -> None:
    key = page.address.partition("/?")[2]
    status, headers, text = ask(page, f"/?{key}")
    assert (status, "UDP check for Tribler" in text) == (200, True)
    assert "script-src 'sha256-" in headers["Content-Security-Policy"]
    assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert ask(page, f"/?{key}")[0] == 403  # somebody who has read the address
    assert ask(page, "/report")[0] == 403
    assert ask(page, "/", Cookie=cookie)[0] == 200
    assert json.loads(ask(page, "/report", Cookie=cookie)[2]) == {"heard": True}
    # Another site, in the same browser, and under a name of its own for this address.
    assert ask(page, "/report", Cookie=cookie, Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(page, "/report", Cookie=cookie, Sec_Fetch_Site="same-site")[0] == 403
    assert ask(page, "/report", Cookie=cookie, Host="rebound.example")[0] == 404


@contextlib.contextmanager
def tribler(folder: Path, state: str, **also: str) -> Iterator[Path]:
    """What answers as a Tribler with the plugin, and the file in which it says where."""
    endpoint = {"name": "UDP", "state": state, **also}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = self.headers["X-Api-Key"] == KEY and self.path == "/api/udp-fix/health"
            body = json.dumps({"watchdogs": [{"endpoints": [endpoint]}]})
            self.send_response(200 if good else 401)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = {"pid": 1, "path": "/api/udp-fix", "parameter": "key", "key": KEY}
    file = folder / "tribler_udp_fix" / "running" / "1.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({**told, "addresses": [f"http://127.0.0.1:{server.server_port}"]}))
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    try:
        yield file
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(sys.platform == "win32", reason="the folder is another one there")
@pytest.mark.parametrize(
    ("state", "condition", "verdict", "status"),
    [
        ("healthy", "", "works", 0),
        ("backing off", "", "deaf", 1),
        ("healthy", "no peer", "cut off", 1),
        ("unknown", "", "starting", 2),
    ],
)
def test_as_json_it_tells_what_runs_without_triblers_key(
    tmp_path: Path, state: str, condition: str, verdict: str, status: int
) -> None:
    with tribler(tmp_path, state, condition=condition):
        result = cli("tribler", "check", "--json", XDG_RUNTIME_DIR=str(tmp_path))
    report = json.loads(result.stdout)
    assert (result.returncode, report["verdict"], report["exit_status"]) == (
        status,
        verdict,
        status,
    )
    assert len(report["trials"]["without"]["trials"]) == 11
    assert report["trials"]["with_plugin"]["status"]["installed"] is True
    assert KEY not in result.stdout


FAILS = "every send fails: Network is unreachable; is there a network?"
ALONE = "it hears itself, but no peer for 10 minutes"
LATE = "its event loop was too late to tell whether it hears"
HEARS = {"state": "healthy"}
UNSENT = {"state": "quiet", "condition": "cannot send", "reason": FAILS}
UNMET = {"state": "healthy", "condition": "no peer", "reason": ALONE}
ONE_PEER = {"state": "unknown", "condition": "connected", "reason": "it hears one peer alone"}
SWITCHED_OFF = {"state": "unknown", "condition": "", "reason": "its program has closed it"}
TOO_LATE = {"state": "unknown", "condition": "", "reason": LATE}


@pytest.mark.parametrize(
    ("endpoints", "verdict", "advice"),
    [
        ([HEARS, UNSENT], "cut off", FAILS),
        ([UNMET, UNMET], "cut off", ALONE),
        ([UNMET, UNSENT], "cut off", f"{ALONE}; {FAILS}"),
        ([UNMET, {"state": "backing off"}], "deaf", "its health page shows what is being done"),
        ([HEARS, ONE_PEER, SWITCHED_OFF], "works", ""),
        ([HEARS, TOO_LATE], "untold", LATE),
        ([HEARS, {"state": "unknown"}], "starting", "wait a moment"),
        ([ONE_PEER, SWITCHED_OFF], "untold", "no connection of Tribler's that could be checked"),
        ([], "starting", "Tribler has just started"),
    ],
)
def test_what_hears_but_reaches_nobody_does_not_work_and_what_cannot_be_checked_is_not_counted(
    endpoints: list[dict[str, str]], verdict: str, advice: str
) -> None:
    told, words = check._verdict([{"health": {"watchdogs": [{"endpoints": endpoints}]}}])
    assert (told, words[: len(advice)]) == (verdict, advice)
    assert (check._EXIT[told] == 0) is (verdict == "works")


@pytest.mark.skipif(sys.platform == "win32", reason="the folder is another one there")
def test_what_has_ended_or_is_elsewhere_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with tribler(tmp_path, "healthy") as file:
        (found,) = triblers.running()
        assert found["page"].endswith("/api/udp-fix/ui?key=of+Tribler")
        told = json.loads(file.read_text())
    assert triblers.running() == []
    assert not file.exists()
    for change in ({"addresses": ["http://example.org"]}, {"path": "@example.org/"}, {"key": 1}):
        file.write_text(json.dumps({**told, **change}))
        assert triblers.running() == []


def test_it_ends_when_the_page_is_closed() -> None:
    command = [sys.executable, "-m", "tribler_udp_fix", "tribler", "check", "--no-browser"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        host, _, key = process.stdout.readline().strip()[len("http://") :].partition("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", f"/{key}")
        cookie = connection.getresponse().headers["Set-Cookie"].partition(";")[0]
        connection.close()
        connection.request("POST", "/closed", headers={"Cookie": cookie})
        assert connection.getresponse().status == 200
        assert process.wait(15) == 0
