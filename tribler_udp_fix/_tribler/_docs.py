"""The endpoints as Tribler's Swagger page documents its own: by aiohttp_apispec, with schemas."""

from __future__ import annotations

import functools
from typing import Any

from tribler_udp_fix._tribler._origin import JSON
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
    from marshmallow.fields import Boolean, Dict, Float, Integer, Raw, String

    endpoint = schema(
        UdpFixEndpoint={
            "name": (String, "the class and the address; what probe and rebind are told"),
            "endpoint": (String, "the class"),
            "address": ([Raw], "the host and the port that it is bound to"),
            "bound": (Boolean, "whether it has a socket there"),
            "configured": Raw(
                allow_none=True,
                metadata={"description": "the host and the port that were asked for, or null"},
            ),
            "interface": (String, "the network adapter that it keeps to, or empty"),
            "state": (
                String,
                "healthy, quiet, suspect, re-arming, rebinding, backing off or unknown",
            ),
            "seconds_in_state": (Float, "how long it has been in that state"),
            "condition": (String, "cannot send, no peer, connected, or empty"),
            "reason": (String, "what ails it, as that its address has gone; empty for nothing"),
            "last_heard": Float(
                allow_none=True,
                metadata={"description": "in seconds since the epoch, null for never"},
            ),
            "last_heard_from_peer": Float(
                allow_none=True,
                metadata={"description": "the same, but for probes of our own"},
            ),
            "bytes_heard": (Integer, "from peers, probes aside"),
            "probes": (Dict, "sent, answered, missed, late, forged and unsent"),
            "errors": (Dict, "the errors of its sockets, by Winsock number"),
            "rearms": (Integer, "how often it was made to read again"),
            "rebinds": (Integer, "how often it got a new socket"),
            "failed_rebinds": (Integer, "how often no socket was to be had, or it heard nothing"),
            "lost": (Integer, "datagrams that were not sent for want of a socket"),
        }
    )
    repair = schema(
        UdpFixRepair={
            "fault": (String, "its row in the catalogue"),
            "title": (String, "what is repaired"),
            "state": (String, "applied, not needed, refused or off"),
            "reason": (String, "why it is in that state"),
            "issue": (String, "the CPython issue that tells of it, or none"),
        }
    )
    watchdog = schema(
        UdpFixWatchdog={
            "endpoints": ([endpoint], "those under watch"),
            "unwatched": ([String], "the classes of endpoints that are unknown"),
            "loop": (String, "the class of the event loop"),
            "lag": (Float, "by how many seconds its last look was late"),
            "wakeups_renewed": (Integer, "how often the loop got new wake-up sockets"),
            "history": ([Dict], "the newest events, oldest first"),
        }
    )
    peers = schema(
        UdpFixPeers={
            "alive": (Integer, "peers that were heard of late"),
            "quiet": (Integer, "those that are silent, and are being asked"),
            "suspect": (Integer, "those that have missed a question"),
            "gone": (Integer, "those that have missed them all"),
            "median_rtt": Float(
                allow_none=True,
                metadata={"description": "the median round trip in seconds, null for unknown"},
            ),
            "pings": (Integer, "how many were sent"),
            "answers": (Integer, "how many of them were answered"),
            "went": (Integer, "how often a peer was told to have gone"),
            "returned": (Integer, "how often one that had gone was back"),
            "reason": (String, "what ails all of them; empty for nothing"),
        }
    )
    health = schema(
        UdpFixHealth={
            "at": (Float, "when this was, in seconds since the epoch"),
            "versions": (Dict, "of the plugin, Python, pyipv8, wrapt and Tribler"),
            "python": (String, "the version"),
            "installed": (Boolean, "whether repairs are on"),
            "settings": (Dict, "each setting's value"),
            "repairs": ([repair], "those that there are"),
            "counters": (Dict, "since the process started"),
            "watchdogs": ([watchdog], "one for each IPv8 instance, one for each loop's others"),
            "peers": ([peers], "one for each IPv8 instance whose peers are monitored"),
        }
    )
    details = schema(
        UdpFixErrorDetails={
            "handled": (Boolean, "true: it is no crash"),
            "message": (String, "the field, its value, and what is allowed"),
            "field": (String, "what is not allowed: a field of the body, or a header"),
            "value": (Raw, "its value; a list, an object or a fraction as text"),
            "allowed": (Raw, "what is allowed, in words or as a list"),
        }
    )
    told = {
        "accepted": ([String], "the endpoints that it was done for"),
        "refused": (Dict, "those that it was not done for, each with the reason"),
        "endpoints": ([endpoint], "how each is doing now"),
    }
    error = schema(UdpFixError={"error": details})
    refused = schema(UdpFixRefused={"error": details, **told})
    outcome = schema(UdpFixOutcome=told)
    request = schema(
        UdpFixRequest={"endpoint": (String, "one endpoint's name, as in health; left out: all")}
    )
    answers = {
        200: {"schema": outcome, "description": "it was done for at least one endpoint"},
        400: {"schema": error, "description": "the body is not one that is allowed"},
        403: {"schema": error, "description": "the page of another origin asks"},
        409: {"schema": refused, "description": "it was done for no endpoint; the reason"},
        415: {"schema": error, "description": "the body is not declared as application/json"},
    }
    summaries: dict[str, tuple[str, dict[int, Any]]] = {
        "get_health": (
            "Show how each UDP endpoint is doing.",
            {200: {"schema": health, "description": "how they do"}},
        ),
        "post_probe": ("Probe one UDP endpoint, or all, now.", answers),
        "post_rebind": ("Give one UDP endpoint, or all, a new socket at its port.", answers),
        "get_ui": (
            "A page that shows the health of the UDP endpoints.",
            {200: {"description": "the page"}},
        ),
    }
    for name, (summary, responses) in summaries.items():
        handler = getattr(HealthEndpoint, name)
        more = {"produces": ["text/html" if name == "get_ui" else JSON]}
        if name.startswith("post"):
            json_schema(request)(handler)
            more["consumes"] = [JSON]
        docs(tags=["UDP endpoints"], summary=summary, responses=responses, **more)(handler)
