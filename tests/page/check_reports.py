"""What ``tribler check`` may find, as its page is told, and that page before a browser."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, Iterator

from tribler_udp_fix import __version__
from tribler_udp_fix._faults import FAULTS
from tribler_udp_fix.cli.check_page import CheckPage

HEALTH_PAGE = "http://127.0.0.1:52194/api/udp-fix/ui?key=of-this-user"
SYSTEM = "Windows 10, Python 3.12.9"
HEALTHY_HERE = ("F7",)  # of Python 3.12


def report(verdict: str, advice: str = "", *states: str, **also: str) -> dict[str, Any]:
    """A report on a Tribler whose two endpoints are in *states*, or none; the first *also*."""
    names = ("UDPEndpoint 0.0.0.0:8090", "UDPv6Endpoint [::]:8091")
    endpoints = [{"name": name, "state": state} for name, state in zip(names, states)]
    for endpoint in endpoints[:1]:
        endpoint.update(also)
    found = {"page": HEALTH_PAGE, "health": {"watchdogs": [{"endpoints": endpoints}]}}
    return {
        "verdict": verdict,
        "advice": advice,
        "tribler_udp_fix": __version__,
        "trials": {
            "state": "done",
            "without": _trials({fault: "suffers" for fault in FAULTS if fault not in HEALTHY_HERE}),
            "with_plugin": _trials({}),
        },
        "triblers": [found] if states else [],
    }


def _trials(verdicts: dict[str, str]) -> dict[str, Any]:
    trials = [
        {"fault": one.id, "title": one.title, "verdict": verdicts.get(one.id, "healthy")}
        for one in FAULTS.values()
    ]
    return {"system": SYSTEM, "trials": trials}


@contextlib.contextmanager
def served(told: dict[str, Any] | Callable[[], Any]) -> Iterator[str]:
    """The address of the page that is told this, or what this returns each time."""
    with CheckPage(told if callable(told) else lambda: told) as page:
        thread = threading.Thread(target=page.serve)
        thread.start()
        try:
            yield page.address
        finally:
            page.until = 0.0
            thread.join()
