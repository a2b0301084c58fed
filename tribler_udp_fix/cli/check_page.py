"""A page for the user of this computer alone: from loopback, by an address that opens it once."""

from __future__ import annotations

import http.cookies
import json
import pkgutil
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qs, urlsplit

from tribler_udp_fix._tribler._page import policy

FIRST = 120.0  # seconds until it is opened
IDLE = 150.0  # seconds without a request: a browser lets a hidden page ask once a minute
CLOSED = 5.0  # seconds after it was closed: reloading is closing, too

Report = Callable[[], Any]


class CheckPage:
    """Serves the page, with what *report* returns, until it is closed.

    ``address`` has a key in it that is good for one visit: the visitor gets a cookie for the rest.
    """

    def __init__(self, report: Report) -> None:
        self.key: str | None = secrets.token_urlsafe(24)
        self.cookie = secrets.token_urlsafe(24)
        self.lock = threading.Lock()
        self.until = time.monotonic() + FIRST
        html = pkgutil.get_data(__name__, "check.html")
        assert html is not None
        self.html = html.decode("utf-8").replace("\r\n", "\n")
        self.report = report
        page = self

        class Handler(_Handler):
            check = page

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.timeout = 0.5
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.name = f"udp_check_{self._server.server_port}"  # of the cookie: ports share them
        self.address = f"http://{self.host}/?key={self.key}"

    def __enter__(self) -> CheckPage:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.server_close()

    def serve(self) -> None:
        """Answer until nobody looks any more."""
        while time.monotonic() < self.until:
            self._server.handle_request()

    def use_key(self, key: str) -> bool:
        """Whether this is the key, which is good for this once."""
        with self.lock:
            good = self.key is not None and secrets.compare_digest(self.key, key)
            if good:
                self.key = None
        return good


class _Handler(BaseHTTPRequestHandler):
    check: CheckPage

    def do_GET(self) -> None:
        """The page, and what it asks for."""
        url = urlsplit(self.path)
        # Another name for this address is a page of the internet that pretends to be this one.
        if self.headers.get("Host") != self.check.host or url.path not in ("/", "/report"):
            self._refuse(404, "There is no such page.")
        elif url.path == "/" and self.check.use_key(parse_qs(url.query).get("key", [""])[0]):
            self._page(f"{self.check.name}={self.check.cookie}; Path=/; HttpOnly; SameSite=Strict")
        elif not self._is_visitor():
            self._refuse(403, "This address was for one visit. Open UDP check once more.")
        elif url.path == "/":
            self._page()
        else:
            self._answer(200, "application/json", json.dumps(self.check.report()))

    def do_POST(self) -> None:
        """The page was closed."""
        if self.headers.get("Host") != self.check.host or self.path != "/closed":
            self._refuse(404, "There is no such page.")
        elif not self._is_visitor():
            self._refuse(403, "You have not opened this page.")
        else:
            self.check.until = time.monotonic() + CLOSED
            self._answer(200, "text/plain", "", used=False)

    def _is_visitor(self) -> bool:
        if self.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return False
        try:
            cookies = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        except http.cookies.CookieError:
            return False
        morsel = cookies.get(self.check.name)
        return morsel is not None and secrets.compare_digest(morsel.value, self.check.cookie)

    def _page(self, cookie: str = "") -> None:
        html = self.check.html
        more = {"Content-Security-Policy": policy(html)}
        if cookie:
            more["Set-Cookie"] = cookie
        self._answer(200, "text/html; charset=utf-8", html, more)

    def _refuse(self, status: int, text: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", text, used=False)

    def _answer(
        self,
        status: int,
        kind: str,
        text: str,
        more: dict[str, str] | None = None,
        used: bool = True,
    ) -> None:
        if used:
            self.check.until = time.monotonic() + IDLE
        body = text.encode("utf-8")
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            **(more or {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Say nothing: pythonw.exe has nowhere to say it."""
