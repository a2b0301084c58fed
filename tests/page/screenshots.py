"""Takes the docs' pictures of the pages: .winlab/venv/bin/python -m tests.page.screenshots."""

from __future__ import annotations

import argparse
import random
import subprocess
import time
import urllib.parse

from tribler_udp_fix import Settings, testing

from ..winlab import tools
from .browser import Browser
from .check_reports import report, served
from .service import KEY, ROOT, Service

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


def take_check() -> bytes:
    """A picture of the page of ``tribler check``: Tribler hears, and what was tried is told."""
    browser = Browser()
    try:
        browser.look(900, 660)
        with served(report("works", "", "healthy", "quiet")) as address:
            browser.go(address)
            browser.until(lambda: "every connection hears" in browser.text)
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
    keep("check", take_check())
    for scheme in ("light", "dark"):
        keep(f"page-{scheme}", take(scheme, minutes=4.5))


def keep(name: str, taken: bytes) -> None:
    """Have the docs' picture of this *name* be the one *taken*."""
    picture = smaller(taken)
    assert len(picture) < MOST, f"{len(picture)} bytes"
    path = ROOT / "docs" / f"{name}.png"
    path.write_bytes(picture)
    print(f"{path.relative_to(ROOT)}: {len(picture):,} bytes")


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m tests.page.screenshots", description=__doc__
    ).parse_args()
    main()
