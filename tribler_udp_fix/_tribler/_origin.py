"""From where something may be asked that changes anything: the server's own pages, or no page.

Any other port of localhost is the same site to a cookie, SameSite or not: the API key in one does
not tell whose page sends it. A browser does: no page can forge ``Origin`` or ``Sec-Fetch-Site``.
What is declared as JSON no page of another origin sends without this server's consent, which it
never gives (https://fetch.spec.whatwg.org/#cors-preflight-fetch).
"""

from __future__ import annotations

from typing import Any, NamedTuple

Headers = Any  # a mapping that knows no case: aiohttp's, or the standard library's
JSON = "application/json"
OWN = ("same-origin", "none")  # none: no page asks, but the user


class Refusal(NamedTuple):
    """A refused request: the HTTP status, which header, its value, and what is allowed."""

    status: int
    field: str
    value: str
    allowed: Any

    def __str__(self) -> str:
        told = self.allowed if isinstance(self.allowed, str) else " or ".join(self.allowed)
        return f"{self.field}={self.value!r}: allowed is {told}"


def refusal(headers: Headers) -> Refusal | None:
    """Why a request with these *headers* is refused, or None.

    403 for a page of another origin, 415 for what is not declared as JSON. A program that is no
    browser sends neither ``Origin`` nor ``Sec-Fetch-Site``.
    """
    site = headers.get("Sec-Fetch-Site", OWN[0])
    if site.strip().lower() not in OWN:
        return Refusal(403, "Sec-Fetch-Site", site, list(OWN))
    host = headers.get("Host", "").strip().lower()
    origin = headers.get("Origin")
    # Of the scheme the server knows nothing behind a proxy; two cannot share a port.
    if origin is not None and origin.strip().lower().partition("://")[1:] != ("://", host):
        return Refusal(403, "Origin", origin, f"this server's own, //{host}, or none")
    kind = headers.get("Content-Type", "")
    if kind.partition(";")[0].strip().lower() != JSON:
        return Refusal(415, "Content-Type", kind, JSON)
    return None
