"""The page in a real browser, before real endpoints under watch; run, it takes the docs' pictures.

    python3 -m tests.winlab test tests/test_page.py    # tests it
    .winlab/venv/bin/python -m tests.screenshots       # docs/page-light.png, docs/page-dark.png

The browser is Debian's Chromium, headless, driven by its DevTools protocol over a pair of pipes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import http.server
import json
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Coroutine, Iterator, TypeVar

import tribler_udp_fix
from tests.winlab import tools
from tribler_udp_fix import EndpointStatus, Settings, Watchdog, testing

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "tribler_udp_fix" / "_tribler" / "page.html"
KEY = "a key of 32 characters, or so"

T = TypeVar("T")


def policy(page: str) -> str:
    """The strictest Content-Security-Policy under which *page* is to work."""

    def hashes(tag: str) -> str:
        texts = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in texts]
        return " ".join(f"'sha256-{digest.decode()}'" for digest in digests)

    return (
        f"default-src 'none'; script-src {hashes('script')}; style-src {hashes('style')}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )


class Service:
    """Two real endpoints under a real watchdog, and the page with its REST interface before them.

    ``requests`` are the methods and the paths with their queries that there were; ``broken`` is an
    HTTP status that everything but the page answers with, if it is not 0.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.requests: list[tuple[str, str]] = []
        self.broken = 0
        self.extra: dict[str, Any] = {"tribler_udp_fix": tribler_udp_fix.__version__}
        self.loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop()
        self.endpoints: dict[str, Any] = {}
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._server: http.server.ThreadingHTTPServer | None = None
        self._port = 0

    def __enter__(self) -> Service:
        tribler_udp_fix.install()
        self._thread.start()
        self.run(self._open())
        self.serve()
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()
        self.run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        tribler_udp_fix.uninstall()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the endpoints' event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function on the endpoints' event loop."""

        async def work() -> T:
            return function(*arguments)

        return self.run(work())

    @contextlib.contextmanager
    def fault(self, make: Callable[..., Any], *arguments: Any, **more: Any) -> Iterator[Any]:
        """Have a fault of ``tribler_udp_fix.testing`` for the block."""
        made = make(*arguments, **more)
        entered = self.call(made.__enter__)
        try:
            yield entered
        finally:
            self.call(made.__exit__, None, None, None)

    async def _open(self) -> None:
        from ipv8.messaging.interfaces.dispatcher.endpoint import DispatcherEndpoint

        places = {"UDPIPv4": {"ip": "127.0.0.1", "port": 0}, "UDPIPv6": {"ip": "::1", "port": 0}}
        self.dispatcher = DispatcherEndpoint(list(places), **places)
        await self.dispatcher.open()
        self.endpoints = {
            "IPv4": self.dispatcher.interfaces["UDPIPv4"],
            "IPv6": self.dispatcher.interfaces["UDPIPv6"],
        }
        self.watchdog = Watchdog(self.dispatcher, self.settings)
        self.watchdog.start()

    async def _close(self) -> None:
        await self.watchdog.stop()
        closing = self.dispatcher.close()
        if closing is not None:
            await closing
        await asyncio.sleep(0.05)

    def title(self, family: str) -> str:
        """How the page calls the endpoint of *family*."""
        return f"{family}, port {self.watched(family).address[1]}"

    def watched(self, family: str) -> EndpointStatus:
        """The status of the endpoint of *family*."""
        endpoints = self.call(self.watchdog.status).endpoints
        return next(one for one in endpoints if (":" in one.address[0]) == (family == "IPv6"))

    def say(self, family: str, size: int) -> None:
        """Send a datagram of *size* bytes to the endpoint, from a peer that wants no answer."""
        kind = socket.AF_INET6 if family == "IPv6" else socket.AF_INET
        with socket.socket(kind, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"\0" * size, self.watched(family).address)

    def error(self, family: str, exc: OSError) -> None:
        """Report an error to the endpoint, as its transport does on Windows."""
        self.call(self.endpoints[family].error_received, exc)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/udp-fix/ui"

    def serve(self) -> None:
        """Answer from now on, at the port of before."""
        server = _Server(("127.0.0.1", self._port), _Handler)
        server.service = self
        self._port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()

    def vanish(self) -> None:
        """Answer no more: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        """What the REST interface answers: a status, and what becomes JSON."""
        if self.broken:
            return self.broken, {"error": {"handled": True, "message": "out of order"}}
        if path == "health":
            status = self.call(lambda: tribler_udp_fix.status().as_dict())
            return 200, {**status, "versions": self.extra}
        name = json.loads(body)["endpoint"] if body else None
        endpoint = None
        if name is not None:
            found = [watch for watch in self.watchdog._watches if watch.name == name]
            if not found:
                return 400, {"error": f"{name} is not watched here"}
            endpoint = found[0].leaf.endpoint
        try:
            if path == "probe":
                self.call(self.watchdog.probe, endpoint)
            else:
                self.run(self.watchdog.rebind(endpoint))
        except RuntimeError as exc:
            return 409, {"error": str(exc)}
        return 200, {"done": True}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    service: Service


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 5

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        service = self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        service.requests.append((method, self.path))
        split = urllib.parse.urlsplit(self.path)
        place, _, name = split.path.rpartition("/")
        if place != "/api/udp-fix":
            self._send(404, "text/plain", b"not found")
        elif name == "ui":  # Tribler's own files need no key, what they ask for does
            page = PAGE.read_text(encoding="utf-8")
            self._send(200, "text/html; charset=utf-8", page.encode(), policy(page))
        elif not self._has_key(split.query):
            self._send(401, "application/json", b'{"error": "Unauthorized access"}')
        else:
            status, content = service.answer(name, body)
            self._send(status, "application/json", json.dumps(content).encode())

    def _has_key(self, query: str) -> bool:
        given = urllib.parse.parse_qs(query)
        keys = [self.headers.get("X-Api-Key"), *given.get("key", ()), *given.get("apikey", ())]
        cookie = f"api_key={urllib.parse.quote(KEY)}"
        return KEY in keys or cookie in (self.headers.get("Cookie") or "").split("; ")

    def _send(self, status: int, kind: str, content: bytes, csp: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if csp:
            self.send_header("Content-Security-Policy", csp)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # root's
    "--disable-dev-shm-usage",  # containers have little of it
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--lang=en-GB",
    "--remote-debugging-pipe",
    "about:blank",
)


class Browser:
    """A headless Chromium with one page, and what that said and asked for."""

    def __init__(self) -> None:
        self.console: list[str] = []
        self.urls: list[str] = []
        self._folder = tempfile.mkdtemp(prefix="chromium-")
        # Chromium reads commands from descriptor 3 and writes to 4; either may be in use here.
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        script = (
            f"exec {{in}}<&{theirs_in} {{out}}>&{theirs_out}; "
            'exec 3<&$in 4>&$out {in}<&- {out}>&-; exec "$@"'
        )
        command = [tools.CHROMIUM, f"--user-data-dir={self._folder}", *ARGUMENTS]
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TZ": "UTC", "HOME": self._folder},
        )
        for number in (theirs_in, theirs_out):
            os.close(number)
        self._out = os.fdopen(ours_out, "wb", buffering=0)
        self._in = os.fdopen(ours_in, "rb", buffering=0)
        self._buffer = b""
        self._count = 0
        self._session = ""
        (target,) = (
            info for info in self.send("Target.getTargets")["targetInfos"] if info["type"] == "page"
        )
        attached = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.send(f"{domain}.enable")

    def close(self) -> None:
        self._session = ""
        try:
            self.send("Browser.close")
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            self._in.close()
            self._out.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol, and wait for its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _read(self) -> Any:
        while b"\0" not in self._buffer:
            data = os.read(self._in.fileno(), 1 << 16)
            if not data:
                raise RuntimeError("Chromium has gone")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: Any) -> None:
        about = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.urls.append(about["request"]["url"])
        elif event["method"] == "Log.entryAdded":
            self.console.append(about["entry"]["text"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.console.append(about["exceptionDetails"]["exception"]["description"])
        elif event["method"] == "Runtime.consoleAPICalled":
            self.console.append(str(about["args"]))

    def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, a promise to its end."""
        done = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"])
        return done["result"].get("value")

    def look(self, width: int = 1180, height: int = 900, **features: str) -> None:
        """Have a window of this size, and media features such as ``prefers_color_scheme``."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        media = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.send("Emulation.setEmulatedMedia", features=media)

    def go(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        self.until(lambda: self.run("document.readyState") == "complete")

    def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)
        return found

    def hide(self, hidden: bool) -> None:
        """Minimise the window, or show it again."""
        window = self.send("Browser.getWindowForTarget")["windowId"]
        state = {"windowState": "minimized" if hidden else "normal"}
        self.send("Browser.setWindowBounds", windowId=window, bounds=state)
        self.until(lambda: self.run("document.hidden") == hidden)

    @property
    def text(self) -> str:
        """What is to be read on the page."""
        return str(self.run("document.body.innerText"))

    def press(self, key: str, shift: bool = False) -> None:
        """Press and release a key."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def accessible(self) -> list[dict[str, Any]]:
        """The page as a screen reader has it: the role and name of each part, in reading order."""
        nodes = {node["nodeId"]: node for node in self.send("Accessibility.getFullAXTree")["nodes"]}
        ahead = [next(iter(nodes))]
        found = []
        while ahead:
            node = nodes.get(ahead.pop())
            if node is None:
                continue
            ahead += reversed(node.get("childIds", ()))
            if not node["ignored"]:
                properties = {one["name"]: one["value"] for one in node.get("properties", ())}
                found.append(
                    {
                        "role": node["role"]["value"],
                        "name": node.get("name", {}).get("value", ""),
                        "focused": properties.get("focused", {}).get("value", False),
                    }
                )
        return found

    def names(self, role: str) -> list[str]:
        return [node["name"] for node in self.accessible() if node["role"] == role]

    def screenshot(self) -> bytes:
        """The whole page, as a PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(taken["data"])


QUICK = Settings(probe_after=2, probe_timeout=0.5, tick=0.05, jitter=0.0, retry_cap=1.0)
PNGQUANT = {"pngquant": "pngquant"}  # a command, and the Debian package that has it
MOST = 150_000  # bytes of a picture


def traffic(service: Service, seconds: float) -> None:
    """What two communities might be sent, for *seconds*."""
    noise = random.Random(8)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for family, mean in (("IPv4", 900), ("IPv6", 300)):
            service.say(family, int(mean * noise.uniform(0.4, 1.3)))
        time.sleep(noise.uniform(0.05, 0.15))


def take(scheme: str, minutes: float) -> bytes:
    """A picture of the page after so long: IPv4 was deaf for a while, IPv6 still is in the dark."""
    browser = Browser()
    try:
        with Service(QUICK) as service:
            browser.look(1040, prefers_color_scheme=scheme)
            browser.go(f"{service.url}?key={urllib.parse.quote(KEY)}")
            traffic(service, minutes * 30)
            service.error("IPv4", ConnectionResetError(10054, "a peer has left"))
            traffic(service, minutes * 15)
            with service.fault(testing.lost_completion, service.endpoints["IPv4"], until="rebind"):
                traffic(service, 8)
            traffic(service, minutes * 15)
            if scheme == "light":
                return browser.screenshot()
            endpoint = service.endpoints["IPv6"]
            with service.fault(testing.taken_port, endpoint):
                with service.fault(testing.lost_completion, endpoint, until="rebind"):
                    traffic(service, 10)
                return browser.screenshot()
    finally:
        browser.close()


def smaller(picture: bytes) -> bytes:
    """The same picture in 256 colours, which is all that text on flat colours needs."""
    command = ["pngquant", "--strip", "--speed", "1", "-"]
    return subprocess.run(command, input=picture, stdout=subprocess.PIPE, check=True).stdout


def main() -> None:
    tools.lay_browser()
    if tools.missing(PNGQUANT):
        tools.lay(PNGQUANT)
    for scheme in ("light", "dark"):
        picture = smaller(take(scheme, minutes=4.5))
        assert len(picture) < MOST, f"{len(picture)} bytes"
        path = ROOT / "docs" / f"page-{scheme}.png"
        path.write_bytes(picture)
        print(f"{path.relative_to(ROOT)}: {len(picture):,} bytes")


if __name__ == "__main__":
    main()
