"""What each setting of the watchdog costs and gains: one endpoint, for simulated days.

The endpoint is quiet, which is the worst case: one with traffic is never probed.
"""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any, NamedTuple

from tribler_udp_fix import Settings
from tribler_udp_fix._watchdog._policy import Action, Input

from . import healing, study
from .account import median_time
from .assumptions import Assumed
from .study import Estimate

DAY = 86400.0
SWEPT: dict[str, tuple[Any, ...]] = {
    "probe_after": (1.0, 2.0, 5.0, 10.0, 20.0, 60.0),
    "probe_misses": (1, 2, 3, 4, 5),
    "rebinds_per_hour": (0, 1, 5, 20, 60, 240),
}
LOST_PROBE = 0.01  # share of the probes that a hearing endpoint misses all the same, assumed
DEATHS_A_DAY = 24.0
STORM_A_DAY = 24.0 * 30  # for rebinds_per_hour: an adapter that is reset every other minute
DAYS = 2.0  # of each run
_USUAL = Settings()
ASSUMED: tuple[Assumed, ...] = (
    Assumed("DAYS", DAYS, "simulated days of each run: with deaths, and as many in which it hears"),
    Assumed("DEATHS_A_DAY", DEATHS_A_DAY, "deaths a day, at random; only a new socket helps"),
    Assumed("STORM_A_DAY", STORM_A_DAY, "the same where `rebinds_per_hour` is swept"),
    Assumed("LOST_PROBE", LOST_PROBE, "share of the probes that is lost where it hears"),
    Assumed("BIND", healing.BIND, "seconds for closing one socket and binding the next"),
    *(
        Assumed(name, getattr(_USUAL, name), "the watchdog's setting, where it is not swept")
        for name in (*SWEPT, "probe_timeout", "jitter", "retry_cap")
    ),
)


class Cost(NamedTuple):
    """One value of a setting, in one run."""

    seconds_deaf: float | None  # of one death, the median; None where fewer than half are healed
    share_deaf: float  # of all the time
    probes_a_day: float  # of an endpoint that heard all the time, as the next
    rearms_a_day: float  # in vain
    rebinds_a_day: float


def sweep(setting: str, seeds: int) -> dict[float, dict[str, Estimate]]:
    """Each value of one setting, the others at their defaults: the figures of Cost."""
    return study.sweep(SWEPT[setting], seeds, lambda value, seed: cost(setting, value, DAYS, seed))


def cost(setting: str, value: Any, days: float, seed: int) -> Cost:
    """So many days with deaths, and as many without, which tell the false alarms."""
    settings = dataclasses.replace(Settings(), **{setting: value})
    rng = random.Random(f"{setting} {value} {seed}")
    end = days * DAY
    a_day = STORM_A_DAY if setting == "rebinds_per_hour" else DEATHS_A_DAY
    times, rebinds = deaths(settings, rng, end, a_day)
    probes, rearms = false_alarms(settings, rng, end)
    return Cost(
        median_time(times),
        math.fsum(time for time, _ in times) / end,
        probes / days,
        rearms / days,
        rebinds / days,
    )


def deaths(
    settings: Settings, rng: random.Random, end: float, a_day: float
) -> tuple[list[tuple[float, bool]], int]:
    """So many deaths *a_day*: the seconds until each is healed, or (False) *end*; the rebinds."""
    watchdog = healing.policy(settings, rng, 0.0)
    usual = settings.probe_after * (1 - settings.jitter / 2)
    now, rebinds = 0.0, 0
    times: list[tuple[float, bool]] = []
    while True:
        died = now - math.log(1.0 - rng.random()) * DAY / a_day
        if died >= end:
            return times, rebinds
        # It is probed until then, and each probe begins anew: twenty are as good as all of them,
        # since they begin at any moment between two.
        heard = max(now, died - (20 + rng.random()) * usual)
        done = healing.heal(watchdog, heard, died, False, end)
        now = end if done.at is None else done.at
        times.append((now - died, done.at is not None))
        rebinds += done.rebinds


def false_alarms(settings: Settings, rng: random.Random, end: float) -> tuple[int, int]:
    """The probes, and the readings again in vain, of one that hears until *end*."""
    watchdog = healing.policy(settings, rng, 0.0)
    probes = rearms = 0
    probing = False
    while watchdog.deadline < end:
        now = watchdog.deadline
        if probing and rng.random() >= LOST_PROBE:
            # It was heard at once, and not when its time was out.
            action = watchdog.feed(Input.ANSWERED, now - settings.probe_timeout)
        else:
            action = watchdog.feed(Input.MISSED if probing else Input.TIME, now)
        if action is Action.REBIND:
            action = watchdog.feed(Input.REBOUND, now + healing.BIND)
        probing = action in (Action.PROBE, Action.REARM)
        probes += probing
        rearms += action is Action.REARM
    return probes, rearms
