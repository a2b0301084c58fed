"""The REST endpoints, as an aiohttp application that a host mounts under a path of its own."""

from __future__ import annotations

import logging
from typing import Any, Awaitable, Callable, Sequence

from tribler_udp_fix._tribler import _health
from tribler_udp_fix._tribler._body import LIMIT, BadBody, chosen
from tribler_udp_fix._tribler._origin import refusal
from tribler_udp_fix._tribler._page import page

logger = logging.getLogger("tribler_udp_fix")

Request = Any  # aiohttp's: it is imported by the host, and never for us
Response = Any
Operation = Callable[[Sequence[str]], Awaitable["dict[str, str]"]]

_NOT_WATCHED = (
    "no endpoint is watched: IPv8 has not started yet, or the setting watchdog "
    "(TRIBLER_UDP_FIX_WATCHDOG) is off"
)


class HealthEndpoint:
    """``GET health``, ``POST probe``, ``POST rebind`` and ``GET ui``.

    path: where the host is to mount it. app: the aiohttp application. Both are all that Tribler
    asks of an endpoint. Make it where aiohttp is imported already; nothing that is asked of it
    raises, since Tribler 7.13 reports what a handler raises as a crash.
    """

    def __init__(self, path: str) -> None:
        from aiohttp import web

        self._web = web
        self.path = path
        self.app = web.Application()
        for method, name, handler in (
            ("GET", "/health", self.get_health),
            ("POST", "/probe", self.post_probe),
            ("POST", "/rebind", self.post_rebind),
            ("GET", "/ui", self.get_ui),
        ):
            self.app.router.add_route(method, name, handler)
            self.app.router.add_route("*", name, self._only(method))

    async def get_health(self, request: Request) -> Response:
        """How every endpoint is doing, what was repaired, and the versions."""
        return await self._guarded(self._health, request)

    async def post_probe(self, request: Request) -> Response:
        """Probe one endpoint or all, now; the outcome shows in health."""
        return await self._guarded(self._probe, request)

    async def post_rebind(self, request: Request) -> Response:
        """Give one endpoint or all a new socket at the same port, within the hour's budget."""
        return await self._guarded(self._rebind, request)

    async def get_ui(self, request: Request) -> Response:
        """A page that shows all this."""
        return await self._guarded(self._ui, request)

    async def _health(self, _request: Request) -> Response:
        return self._json(_health.health())

    async def _probe(self, request: Request) -> Response:
        return await self._operate(request, _health.probe)

    async def _rebind(self, request: Request) -> Response:
        return await self._operate(request, _health.rebind)

    async def _ui(self, _request: Request) -> Response:
        html, headers = page()
        return self._web.Response(text=html, content_type="text/html", headers=headers)

    async def _operate(self, request: Request, operation: Operation) -> Response:
        refused = refusal(request.headers)
        if refused is not None:
            status, field, value, allowed = refused
            return self._error(status, str(refused), field=field, value=value, allowed=allowed)
        try:
            names = chosen(await self._read(request), _health.endpoint_names())
        except BadBody as exc:
            return self._error(400, str(exc), field=exc.field, value=exc.value, allowed=exc.allowed)
        if not names:
            return self._error(409, _NOT_WATCHED)
        failed = await operation(names)
        outcome = {
            "accepted": [name for name in names if name not in failed],
            "refused": failed,
            "endpoints": _health.endpoints(names),
        }
        if not outcome["accepted"]:
            return self._error(409, "; ".join(failed.values()), **outcome)
        return self._json(outcome)

    async def _guarded(
        self, handle: Callable[[Request], Awaitable[Response]], request: Request
    ) -> Response:
        try:
            return await handle(request)
        except Exception as exc:  # Tribler takes what a handler raises for a crash of its own
            logger.exception("%s %s failed", request.method, self.path)
            return self._error(500, f"{type(exc).__name__}: {exc}")

    def _only(self, method: str) -> Callable[[Request], Awaitable[Response]]:
        # Otherwise aiohttp raises, and Tribler 7.13 reports that as a crash of its own.
        async def refuse(request: Request) -> Response:
            message = f"{request.method}: allowed is {method}"
            response = self._error(405, message, field="method", allowed=method)
            response.headers["Allow"] = method
            return response

        return refuse

    async def _read(self, request: Request) -> bytes:
        """The request's body, and no more of it than tells that it is too long."""
        body = b""
        while len(body) <= LIMIT:
            try:
                part = await request.content.read(LIMIT + 1 - len(body))
            except (self._web.RequestPayloadError, ConnectionError) as exc:
                told = " ".join(str(exc).split())
                raise BadBody("body", told, "a whole one, encoded as the headers say") from None
            if not part:
                break
            body += part
        return body

    def _error(self, status: int, message: str, **more: Any) -> Response:
        # The form that Tribler's own endpoints and its web UI know; "handled" is no crash.
        error = {"handled": True, "message": message}
        for name in ("field", "value", "allowed"):
            if name in more:
                error[name] = more.pop(name)
        return self._json({"error": error, **more}, status)

    def _json(self, data: Any, status: int = 200) -> Response:
        headers = {"Cache-Control": "no-store"}
        return self._web.json_response(data, status=status, headers=headers)
