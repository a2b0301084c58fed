"""``status()`` as metrics of Prometheus, read when they are scraped."""

from __future__ import annotations

import platform
from typing import Any, Callable, Iterable, Iterator, Mapping

from prometheus_client import REGISTRY as REGISTRY
from prometheus_client import CollectorRegistry as CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from tribler_udp_fix import __version__
from tribler_udp_fix._install import status
from tribler_udp_fix._patching._states import APPLIED, NOT_NEEDED, OFF, REFUSED
from tribler_udp_fix._peers._heartbeat_policy import PeerState
from tribler_udp_fix._peers._peer_events import PeerEventKind, PeersStatus
from tribler_udp_fix._settings import Settings
from tribler_udp_fix._status import Status
from tribler_udp_fix._watchdog._policy import State
from tribler_udp_fix._watchdog._report import EndpointStatus

PREFIX = "tribler_udp_fix_"

_REPAIR_STATES = (APPLIED, NOT_NEEDED, REFUSED, OFF)
_OUTCOMES = ("answered", "missed", "late", "unsent")
_COUNTS: tuple[tuple[str, str, Callable[[EndpointStatus], int]], ...] = (
    ("probes_sent", "Probes that were sent to the endpoint.", lambda e: e.probes["sent"]),
    ("forged_probes", "Datagrams that pretended to be a probe.", lambda e: e.probes["forged"]),
    ("rearms", "How often the endpoint's read was armed again, in place.", lambda e: e.rearms),
    ("rebinds", "How often the endpoint got a new socket.", lambda e: e.rebinds),
    (
        "failed_rebinds",
        "How often a new socket was not bound, or not heard.",
        lambda e: e.failed_rebinds,
    ),
    ("datagrams_lost", "Datagrams that were not sent for want of a socket.", lambda e: e.lost),
)
_NOTHING = Status(False, Settings(), (), {})


class StatusCollector(Collector):
    """Collects what ``status()`` says in the moment of the scrape."""

    def describe(self) -> Iterable[Metric]:
        """The metrics without their values: asked for once, to see whether names clash."""
        return _metrics(_NOTHING)

    def collect(self) -> Iterable[Metric]:
        """The metrics, now."""
        return _metrics(status())


def _metrics(now: Status) -> Iterator[Metric]:
    yield from _process(now)
    yield from _loops(now)
    # Two watchdogs may watch one endpoint; a sample may be there once.
    endpoints = {e.name: e for watchdog in now.watchdogs for e in watchdog.endpoints}
    yield from _endpoints(list(endpoints.values()))
    yield from _peers(now.peers)


def _process(now: Status) -> Iterator[Metric]:
    about = {"version": __version__, "python_version": platform.python_version()}
    build = InfoMetricFamily(PREFIX + "build", "The versions of the plugin and of Python.", about)
    yield build
    installed = GaugeMetricFamily(PREFIX + "installed", "Whether repairs are on: 1 or 0.")
    installed.add_metric([], float(now.installed))
    yield installed
    repairs = StateSetMetricFamily(
        PREFIX + "repair_state", "How the repair of each fault stands.", labels=["fault"]
    )
    for repair in now.repairs:
        repairs.add_metric([repair.fault], {s: s == repair.state for s in _REPAIR_STATES})
    yield repairs
    by_number = ["number"]
    for direction in ("receive", "send"):
        yield _counter(
            f"{direction}_errors",
            f"Errors of datagram {direction}s, by number: Winsock's on Windows, errno elsewhere.",
            by_number,
            _by_label(now.counters.get(f"{direction}_errors", {})),
        )
    yield _counter(
        "receives_rearmed",
        "Receives that were started again after an error.",
        [],
        [([], now.counters.get("receives_rearmed", 0))],
    )
    yield _counter(
        "datagrams_dropped",
        "Datagrams that were not sent or not delivered, by reason.",
        ["reason"],
        _by_label(now.counters.get("dropped_by_reason", {})),
    )
    yield _counter(
        "ipv8_endpoints_not_opened",
        "IPv8 endpoints that found no port to open.",
        [],
        [([], now.counters.get("ipv8_endpoints_not_opened", 0))],
    )
    for name, meaning in (
        ("pings_unanswered", "Pings of IPv8's churn that nobody answered."),
        ("pings_refused", "Those of them that earned an ICMP error, as far as can be told."),
    ):
        yield _counter(name, meaning, [], [([], now.counters.get(name, 0))])


def _loops(now: Status) -> Iterator[Metric]:
    # Watchdogs of one event loop share these, so they are not added up.
    lag: dict[str, float] = {}
    renewed: dict[str, float] = {}
    for watchdog in now.watchdogs:
        lag[watchdog.loop] = max(lag.get(watchdog.loop, 0.0), watchdog.lag)
        renewed[watchdog.loop] = max(renewed.get(watchdog.loop, 0), watchdog.wakeups_renewed)
    gauge = GaugeMetricFamily(
        PREFIX + "loop_lag_seconds",
        "By how much the last look of the watchdogs of this class of event loop was late.",
        labels=["loop"],
    )
    for loop, seconds in lag.items():
        gauge.add_metric([loop], seconds)
    yield gauge
    yield _counter(
        "loop_wakeups_renewed",
        "Pairs of wake-up sockets of the event loop that were replaced.",
        ["loop"],
        _by_label(renewed),
    )


def _endpoints(endpoints: list[EndpointStatus]) -> Iterator[Metric]:
    own = ["endpoint"]
    states = StateSetMetricFamily(
        PREFIX + "endpoint_state", "The state of each endpoint under watch.", labels=own
    )
    for e in endpoints:
        states.add_metric([e.name], {state.value: state.value == e.state for state in State})
    yield states
    heard = GaugeMetricFamily(
        PREFIX + "endpoint_last_heard_timestamp_seconds",
        "When the endpoint last heard a datagram, since the epoch; absent until it has.",
        labels=own,
    )
    for e in endpoints:
        if e.last_heard is not None:
            heard.add_metric([e.name], e.last_heard)
    yield heard
    yield _counter(
        "endpoint_probes",
        "Probes of the endpoint, by what became of them.",
        [*own, "outcome"],
        [([e.name, outcome], e.probes[outcome]) for e in endpoints for outcome in _OUTCOMES],
    )
    yield _counter(
        "endpoint_errors",
        "Errors of the endpoint's sockets, by Winsock number (errno's where there is none).",
        [*own, "number"],
        [([e.name, str(number)], n) for e in endpoints for number, n in sorted(e.errors.items())],
    )
    for name, meaning, count in _COUNTS:
        samples = [([e.name], float(count(e))) for e in endpoints]
        yield _counter(f"endpoint_{name}", meaning, own, samples)


def _peers(monitors: tuple[PeersStatus, ...]) -> Iterator[Metric]:
    def total(count: Callable[[PeersStatus], int]) -> float:
        return float(sum(map(count, monitors)))

    states = GaugeMetricFamily(
        PREFIX + "peers", "Peers of IPv8 that are monitored, by state.", labels=["state"]
    )
    for state in PeerState:
        states.add_metric([state.value], total(lambda m, name=state.value: getattr(m, name)))  # type: ignore[misc]
    yield states
    rtt = GaugeMetricFamily(
        PREFIX + "peers_rtt_seconds",
        "The peers' median round trip, of several instances the greatest; absent until known.",
    )
    known = [monitor.median_rtt for monitor in monitors if monitor.median_rtt is not None]
    if known:
        rtt.add_metric([], max(known))
    yield rtt
    sent, answered = total(lambda m: m.pings), total(lambda m: m.answers)
    yield _counter("peer_pings_sent", "Pings that were sent to peers.", [], [([], sent)])
    yield _counter("peer_pings_answered", "Pings that peers answered.", [], [([], answered)])
    yield _counter(
        "peer_events",
        "Peers that went, and that returned.",
        ["kind"],
        [
            ([PeerEventKind.GONE.value], total(lambda m: m.went)),
            ([PeerEventKind.RETURNED.value], total(lambda m: m.returned)),
        ],
    )


def _counter(
    name: str, meaning: str, labels: list[str], samples: Iterable[tuple[list[str], float]]
) -> Metric:
    family = CounterMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, count in samples:
        family.add_metric(values, count)
    return family


def _by_label(counts: Mapping[str, Any]) -> list[tuple[list[str], float]]:
    return [([label], count) for label, count in counts.items()]
