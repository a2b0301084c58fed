"""The endpoints as Tribler's Swagger page documents its own: by aiohttp_apispec, with schemas."""

from __future__ import annotations

import functools
from typing import Any

from tribler_udp_fix._tribler._rest import HealthEndpoint


class DocumentedEndpoint(HealthEndpoint):
    """A ``HealthEndpoint`` for a host that has aiohttp_apispec and ``ipv8.REST.schema``."""

    def __init__(self, path: str) -> None:
        document()
        super().__init__(path)


@functools.lru_cache(maxsize=None)  # once: aiohttp_apispec adds to what a handler has already
def document() -> None:
    """Tell aiohttp_apispec what each handler takes and returns."""
    from aiohttp_apispec import docs, json_schema
    from ipv8.REST.schema import schema
    from marshmallow.fields import Boolean, Dict, Float, Integer, String

    endpoint = schema(
        UdpFixEndpoint={
            "name": (String, "the class and the address; what probe and rebind are told"),
            "endpoint": (String, "the class"),
            "address": ([String], "the host and the port that it is bound to"),
            "state": (
                String,
                "healthy, quiet, suspect, re-arming, rebinding, backing off or unknown",
            ),
            "seconds_in_state": Float,
            "last_heard": (Float, "in seconds since the epoch, null for never"),
            "probes": (Dict, "sent, answered, missed, late, forged and unsent"),
            "errors": (Dict, "the errors of its sockets, by Winsock number"),
            "rearms": Integer,
            "rebinds": Integer,
            "failed_rebinds": Integer,
            "lost": (Integer, "datagrams that were not sent for want of a socket"),
        }
    )
    repair = schema(
        UdpFixRepair={
            "fault": String,
            "title": String,
            "state": (String, "applied, not needed, refused or off"),
            "reason": String,
            "issue": String,
        }
    )
    watchdog = schema(
        UdpFixWatchdog={
            "endpoints": [endpoint],
            "unwatched": ([String], "the classes of endpoints that are unknown"),
            "loop": (String, "the class of the event loop"),
            "lag": (Float, "by how many seconds its last look was late"),
            "wakeups_renewed": Integer,
            "history": ([Dict], "the newest events, oldest first"),
        }
    )
    health = schema(
        UdpFixHealth={
            "at": (Float, "when this was, in seconds since the epoch"),
            "versions": (Dict, "of the plugin, Python, pyipv8, wrapt and Tribler"),
            "python": String,
            "installed": (Boolean, "whether repairs are on"),
            "settings": Dict,
            "repairs": [repair],
            "counters": (Dict, "since the process started"),
            "watchdogs": [watchdog],
        }
    )
    error = schema(
        UdpFixError={
            "error": schema(
                UdpFixErrorDetails={
                    "handled": Boolean,
                    "message": (String, "the field, its value, and what is allowed"),
                    "field": String,
                }
            )
        }
    )
    outcome = schema(
        UdpFixOutcome={
            "accepted": ([String], "the endpoints that it was done for"),
            "refused": (Dict, "those that it was not done for, each with the reason"),
            "endpoints": [endpoint],
        }
    )
    request = schema(
        UdpFixRequest={"endpoint": (String, "one endpoint's name, as in health; left out: all")}
    )
    answers = {
        200: {"schema": outcome},
        400: {"schema": error, "description": "the body is not one that is allowed"},
        409: {"schema": error, "description": "it was done for no endpoint; the reason"},
    }
    summaries: dict[str, tuple[str, dict[int, Any]]] = {
        "get_health": ("Show how each UDP endpoint is doing.", {200: {"schema": health}}),
        "post_probe": ("Probe one UDP endpoint, or all, now.", answers),
        "post_rebind": ("Give one UDP endpoint, or all, a new socket at its port.", answers),
        "get_ui": ("A page that shows the health of the UDP endpoints.", {}),
    }
    for name, (summary, responses) in summaries.items():
        handler = getattr(HealthEndpoint, name)
        if name.startswith("post"):
            json_schema(request)(handler)
        docs(tags=["UDP endpoints"], summary=summary, responses=responses)(handler)
