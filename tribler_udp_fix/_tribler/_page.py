"""The page that shows health to a person, and the policy under which a browser runs it."""

from __future__ import annotations

import base64
import functools
import hashlib
import pkgutil
import re
from typing import NamedTuple

_INLINE = re.compile(r"<(script|style)\b[^>]*>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)


class Page(NamedTuple):
    """A page, and the headers that it is served with."""

    html: str
    headers: dict[str, str]


@functools.lru_cache(maxsize=None)
def page() -> Page:
    """The page, which may run its own inline scripts and styles, and load nothing."""
    data = pkgutil.get_data(__name__, "page.html")
    if data is None:
        raise FileNotFoundError("page.html")
    # As a browser reads it before it compares: an element's line ends are line feeds.
    html = data.decode("utf-8").replace("\r\n", "\n")
    return Page(html, {**_HEADERS, "Content-Security-Policy": policy(html)})


def policy(html: str) -> str:
    """The Content-Security-Policy for a page: what is inline in it by hash, and nothing else.

    Attributes such as ``style=`` and ``onclick=`` are not allowed by a hash.
    """
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for element, text in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
        hashes[element.lower()].append(f"'sha256-{digest}'")
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(hashes['script']) or _NONE}",
            f"style-src {' '.join(hashes['style']) or _NONE}",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )


_NONE = "'none'"

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # its address may hold the API key
    "X-Content-Type-Options": "nosniff",
}
