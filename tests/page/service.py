"""The page before real endpoints under watch, with a REST interface such as Tribler's."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import socket
import threading
import urllib.parse
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Coroutine, Iterator, TypeVar

import tribler_udp_fix
from tribler_udp_fix import EndpointStatus, PeerMonitor, Settings, Watchdog
from tribler_udp_fix._tribler._origin import refusal
from tribler_udp_fix._tribler._page import policy

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "tribler_udp_fix" / "_tribler" / "page.html"
KEY = "a key of 32 characters, or so"

# Of the watchdog.
QUICK = Settings(probe_after=1, probe_timeout=0.5, tick=0.05, jitter=0.0, retry_cap=1.0)
# Slow enough for a page that looks every two seconds to see each step.
SLOW = Settings(probe_after=1, probe_timeout=1.5, tick=0.05, jitter=0.0, retry_cap=1.0)
IDLE = Settings(probe_after=3600, probe_timeout=0.5, tick=0.05)

T = TypeVar("T")


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

    @contextlib.contextmanager
    def peers(self, count: int) -> Iterator[Callable[[float], None]]:
        """Have so many peers, that nobody hears of, monitored; yields what lets seconds pass."""
        from ipv8.keyvault.crypto import default_eccrypto
        from ipv8.peer import Peer
        from ipv8.peerdiscovery.network import Network

        network, now = Network(), [0.0]
        # A community that they have, too, by which they are asked.
        shared = SimpleNamespace(community_id=b"shared".ljust(20), walk_to=lambda _: None)
        ipv8: Any = SimpleNamespace(endpoint=self.dispatcher, network=network, overlays=[shared])
        monitor = PeerMonitor(ipv8, clock=lambda: now[0])

        def look() -> None:
            now[0] += 0.5
            monitor.look()

        def pass_time(seconds: float) -> None:
            for _ in range(int(seconds * 2)):
                self.call(look)

        self.call(monitor.start)
        for number in range(1, count + 1):
            key = default_eccrypto.generate_key("curve25519").pub()
            peer = Peer(key, ("127.0.0.1", number))
            network.add_verified_peer(peer)
            network.discover_services(peer, [shared.community_id])
        try:
            yield pass_time
        finally:
            self.call(monitor.stop)

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
        name = json.loads(body).get("endpoint") if body else None
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
        elif method == "POST" and (refused := refusal(self.headers)):
            error = {"error": {"handled": True, "message": str(refused)}}
            self._send(refused.status, "application/json", json.dumps(error).encode())
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
