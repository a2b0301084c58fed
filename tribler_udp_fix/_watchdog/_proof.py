"""Whether a node can be sure of its own ears, for those who judge its peers by their silence."""

from __future__ import annotations

from typing import Any, NamedTuple

from tribler_udp_fix._watchdog._policy import State
from tribler_udp_fix._watchdog._subjects import endpoints_of
from tribler_udp_fix._watchdog._watchdog import running

# Quiet: ten seconds without a datagram, and a probe on its way. It need not be deaf.
_SURE = (State.HEALTHY, State.QUIET)


class Proof(NamedTuple):
    """What the watchdogs know of the endpoints that speak one family of addresses."""

    sure: bool
    """Whether none of them is suspected, deaf, being mended or of unknown state."""
    heard_ago: float
    """Seconds since each of them has heard something, real traffic or a probe."""


def proof_of(endpoint: Any, ipv6: bool) -> Proof | None:
    """What is proved of *endpoint*, as ``IPv8.endpoint`` is.

    None where nobody watches it, or no probe can be sent: then its node is judged as without.
    """
    found = endpoints_of(endpoint)
    sure, heard = True, []
    for watchdog in list(running):
        for watch in list(watchdog._watches):
            is_its = any(watch.leaf.endpoint is one for one in found)
            host = str((watch.address or ("",))[0])
            if is_its and not watch.policy.is_blind and (not host or (":" in host) is ipv6):
                sure = sure and watch.policy.state in _SURE
                heard.append(watchdog.loop.time() - watch.hearing.at)
    return Proof(sure, max(heard)) if heard else None
