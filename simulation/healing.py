"""How the watchdog heals an endpoint that died without an error, in simulated time.

The decisions are those of the plugin's own table: nothing of it is written here again.
"""

from __future__ import annotations

import math
import random
from typing import NamedTuple

from tribler_udp_fix import Settings
from tribler_udp_fix._watchdog._policy import Action, Input, Policy, State, limits_of

BIND = 0.01  # seconds for closing one socket and binding the next


class Healing(NamedTuple):
    """What one death took: ``at`` is when the endpoint heard again, None for not until then."""

    at: float | None
    probes: int  # from the death on
    rearms: int
    rebinds: int


def policy(settings: Settings, rng: random.Random, now: float) -> Policy:
    """The state of one endpoint's watchdog, as the plugin makes it for one that it may rebind."""
    return Policy(limits_of(settings, True), rng.random, now)


def probes_a_second(datagrams: float, settings: Settings) -> float:
    """How often one that hears is probed where so many *datagrams* a second come at random.

    Each time that it is quiet for the delay, which is uniform from ``probe_after`` less its jitter
    to ``probe_after``; a probe that it hears begins the next. In closed form: with the chance that
    a delay passes without a datagram.
    """
    longest = settings.probe_after
    spread = longest * settings.jitter
    if datagrams == 0:
        return 1 / (longest - spread / 2)
    quiet = math.exp(-datagrams * longest)
    if spread:
        quiet = (math.exp(-datagrams * (longest - spread)) - quiet) / (datagrams * spread)
    return datagrams * quiet / (1 - quiet)


def heal(watchdog: Policy, heard: float, died: float, curable: bool, until: float) -> Healing:
    """Carry out what *watchdog* decides for an endpoint that *died*, and had *heard* before.

    *curable*: reading again in place is enough; otherwise only another socket helps. What it does
    from *until* on does not count.
    """
    watchdog.feed(Input.TRAFFIC, heard)
    while watchdog.deadline < died:
        probed = watchdog.deadline
        watchdog.feed(Input.TIME, probed)
        watchdog.feed(Input.ANSWERED, probed)  # it heard it at once
    probes = rearms = rebinds = 0
    probing = False
    while watchdog.deadline < until:
        now = watchdog.deadline
        action = watchdog.feed(Input.MISSED if probing else Input.TIME, now)
        healed = False
        if action is Action.REARM:
            rearms += 1
            healed = curable
        elif action is Action.REBIND:
            rebinds += 1
            now += BIND
            if now >= until:
                break
            action = watchdog.feed(Input.REBOUND, now)
            healed = True
        probing = action in (Action.PROBE, Action.REARM)
        probes += probing
        if healed:
            watchdog.feed(Input.ANSWERED, now)
            assert watchdog.state is State.HEALTHY
            return Healing(now, probes, rearms, rebinds)
    return Healing(None, probes, rearms, rebinds)
