"""The policy under which the page runs: what is inline in it, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

from tribler_udp_fix._tribler import _page
from tribler_udp_fix._tribler._page import page, policy


def directives(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition(" ") for part in text.split("; "))}


def hash_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class Inline(HTMLParser):
    """Finds inline scripts and styles as a browser does, and the rest that a policy is about."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, list[str]] = {"script": [], "style": []}
        self.attributes: list[str] = []
        self._in: str | None = None

    def handle_starttag(self, tag, attrs):
        self._in = tag if tag in self.parts else None
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        if self._in is not None:
            self.parts[self._in].append(data)

    def handle_endtag(self, tag):
        self._in = None


def test_inline_scripts_and_styles_are_allowed_by_their_hashes_alone():
    html = "<style>a { }</style><SCRIPT type='module'>\nb &amp; 'ü'\n</SCRIPT><script>c</script>"
    found = directives(policy(html))
    scripts = " ".join((hash_of("\nb &amp; 'ü'\n"), hash_of("c")))
    assert found["script-src"] == scripts
    assert found["style-src"] == hash_of("a { }")


def test_nothing_else_may_be_loaded_run_or_framed():
    found = directives(policy("<p>"))
    assert found["default-src"] == "'none'"
    assert (found["script-src"], found["style-src"]) == ("'none'", "'none'")
    assert found["connect-src"] == "'self'"
    assert (found["base-uri"], found["form-action"]) == ("'none'", "'none'")
    assert found["frame-ancestors"] == "'none'"


def test_the_policy_is_the_one_that_is_documented_and_that_the_page_is_tested_under():
    docs = Path(__file__).parent.parent / "docs" / "page.md"
    (documented,) = re.findall(r"```text\n(default-src.*?)```", docs.read_text("utf-8"), re.DOTALL)
    served = page().headers["Content-Security-Policy"]
    assert re.sub("'sha256-[^']+'", "'sha256-…'", served) == " ".join(documented.split())


def test_the_page_has_no_part_that_its_own_policy_would_block():
    html, headers = page()
    found = directives(headers["Content-Security-Policy"])
    inline = Inline()
    inline.feed(html)
    for element, texts in inline.parts.items():
        for text in texts:
            assert hash_of(text) in found[f"{element}-src"]
    blocked = [name for name in inline.attributes if name == "style" or name.startswith("on")]
    assert blocked == []


def test_the_page_is_found_without_the_attribute_that_python_3_15_drops(monkeypatch):
    monkeypatch.delattr(_page, "__package__", raising=False)
    page.cache_clear()
    assert page().html.startswith("<!DOCTYPE html>")
