"""What a run of the model assumes: each number, what it means, and what is allowed."""

from __future__ import annotations

import argparse
import dataclasses
import math
from typing import Any, Callable, NamedTuple

from tribler_udp_fix import Settings

# How long a session lasts, in minutes: Weibull (shape, scale), fitted to three BitTorrent swarms by
# Stutzbach and Rejaie (IMC 2006). The medians are 16, 7 and 22 minutes.
SESSIONS = {"a": (0.38, 42.4), "b": (0.34, 21.3), "c": (0.59, 41.9)}


class Allowed(NamedTuple):
    """The range of a number, and what it means."""

    lowest: float
    highest: float
    meaning: str

    def told(self, whole: bool) -> str:
        """In words; *whole*: no fractions."""
        what = "a whole number" if whole else "a number"
        return f"{what} from {self.lowest:,.12g} to {self.highest:,.12g} ({self.meaning})"


class Assumed(NamedTuple):
    """What stands beside a result."""

    name: str
    value: Any
    meaning: str


def _number(default: Any, lowest: float, highest: float, meaning: str) -> Any:
    return dataclasses.field(
        default=default, metadata={"allowed": Allowed(lowest, highest, meaning)}
    )


@dataclasses.dataclass(frozen=True)
class Assumptions:
    """One swarm. Shares are from 0 to 1; raises ValueError, naming field, value and range."""

    nodes: int = _number(10_000, 2, 1_000_000, "nodes online at any time")
    hours: float = _number(12.0, 0.01, 1_000, "hours that are simulated")
    windows: float = _number(0.5, 0, 1, "share of nodes on Windows")
    old: float = _number(0.5, 0, 1, "share of them on Python 3.8 to 3.10, others on 3.11 to 3.13")
    plugin: float = _number(0.0, 0, 1, "share of the nodes on Windows with the plugin")
    icmp: float = _number(0.1, 0, 1, "f: share of departures after which sends earn ICMP errors")
    neighbours: int = _number(
        20, 1, 200, "neighbours that are looked for; half as many again are taken"
    )
    session: str = dataclasses.field(default="a", metadata={"allowed": SESSIONS})
    patience: float = _number(8.0, 0.01, 1e9, "mean hours until a user restarts a deaf node")
    silent: float = _number(0.1, 0, 1_000, "deaths without an error a day, of each node on Windows")
    curable: float = _number(0.5, 0, 1, "share of those that reading again in place heals")
    busy: float = _number(
        0.02, 0, 1, "chance that an error finds the loop busy, and no receive waiting"
    )
    rearm: float = _number(0.001, 0, 10, "seconds from an error until a receive waits again")
    latency: float = _number(0.3, 0, 10, "seconds until an error is back, at most")
    bootstrap: float = _number(0.05, 0, 1, "share of introductions by a bootstrap server")
    probe_after: float = _number(Settings.probe_after, 0.1, 3600, "the watchdog's setting, seconds")
    probe_misses: int = _number(Settings.probe_misses, 1, 100, "the watchdog's setting")
    rebinds_per_hour: int = _number(Settings.rebinds_per_hour, 0, 3600, "the watchdog's setting")

    def __post_init__(self) -> None:
        """Check every value."""
        for field in dataclasses.fields(self):
            value, allowed = getattr(self, field.name), field.metadata["allowed"]
            if isinstance(allowed, Allowed):
                whole = isinstance(field.default, int)
                kind = isinstance(value, int if whole else (int, float))
                if not kind or not allowed.lowest <= value <= allowed.highest:  # NaN is neither
                    raise ValueError(f"{field.name}={value!r}: allowed is {allowed.told(whole)}")
            elif value not in allowed:
                raise ValueError(f"{field.name}={value!r}: allowed is {', '.join(allowed)}")

    @property
    def settings(self) -> Settings:
        """Those of the watchdog."""
        return Settings(
            probe_after=float(self.probe_after),
            probe_misses=self.probe_misses,
            rebinds_per_hour=self.rebinds_per_hour,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """An argument for each assumption; what is not allowed is refused with its range."""
    for field in dataclasses.fields(Assumptions):
        allowed = field.metadata["allowed"]
        name = "--" + field.name.replace("_", "-")
        if isinstance(allowed, Allowed):
            parser.add_argument(
                name,
                type=_parser_of(field, allowed),
                default=argparse.SUPPRESS,
                metavar="N",
                help=f"{allowed.meaning} ({field.default})",
            )
        else:
            parser.add_argument(
                name,
                choices=list(allowed),
                default=argparse.SUPPRESS,
                help=f"which measured distribution of sessions ({field.default})",
            )


def chosen(options: argparse.Namespace) -> Assumptions:
    """The assumptions that the arguments give."""
    given = vars(options)
    names = [field.name for field in dataclasses.fields(Assumptions)]
    return Assumptions(**{name: given[name] for name in names if name in given})


def _parser_of(field: dataclasses.Field[Any], allowed: Allowed) -> Callable[[str], Any]:
    kind: Callable[[str], float] = int if isinstance(field.default, int) else float

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not allowed.lowest <= value <= allowed.highest:
            raise argparse.ArgumentTypeError(f"{text!r}: allowed is {allowed.told(kind is int)}")
        return value

    return parse
