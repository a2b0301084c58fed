"""The metrics, scraped over HTTP as Prometheus does, of real endpoints under a real watchdog."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import subprocess
import sys
import time
from typing import Any, Iterator

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from scraping import Exporter, Scrape
from udp import closed_address, only_on, until
from watched import NEVER_QUIET, scene

import tribler_udp_fix
from tribler_udp_fix import Watchdog, metrics
from tribler_udp_fix.testing import dead_reader, failing_sends

pytestmark = only_on("3.8", "3.12")

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
RESET = "10054" if sys.platform == "win32" else str(int(errno.ECONNRESET))

# The labels of each metric: what bounds the number of its series is in docs/metrics.md.
LABELS = {
    "build_info": {"version", "python_version"},
    "installed": set(),
    "repair_state": {"fault", "tribler_udp_fix_repair_state"},
    "receive_errors_total": {"number"},
    "send_errors_total": {"number"},
    "receives_rearmed_total": set(),
    "datagrams_dropped_total": {"reason"},
    "ipv8_endpoints_not_opened_total": set(),
    "pings_unanswered_total": set(),
    "pings_refused_total": set(),
    "loop_lag_seconds": {"loop"},
    "loop_wakeups_renewed_total": {"loop"},
    "endpoint_state": {"endpoint", "tribler_udp_fix_endpoint_state"},
    "endpoint_last_heard_timestamp_seconds": {"endpoint"},
    "endpoint_probes_total": {"endpoint", "outcome"},
    "endpoint_errors_total": {"endpoint", "number"},
    "endpoint_probes_sent_total": {"endpoint"},
    "endpoint_forged_probes_total": {"endpoint"},
    "endpoint_rearms_total": {"endpoint"},
    "endpoint_rebinds_total": {"endpoint"},
    "endpoint_failed_rebinds_total": {"endpoint"},
    "endpoint_datagrams_lost_total": {"endpoint"},
    "peers": {"state"},
    "peers_rtt_seconds": set(),
    "peer_pings_sent_total": set(),
    "peer_pings_answered_total": set(),
    "peer_events_total": {"kind"},
}
ABSENT = {"peers_rtt_seconds"}  # until a peer has answered a ping


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    """Serves a registry that has our metrics, the repairs being on."""
    tribler_udp_fix.install()
    made = Exporter()
    metrics.register(made.registry)
    yield made
    metrics.unregister(made.registry)
    made.close()
    tribler_udp_fix.uninstall()


def run(main: Any) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 60))
    finally:
        loop.close()


async def make_errors(it: Any, count: int) -> None:
    """Have *count* errors reported to the endpoint: of departed peers, where those are told of."""
    if sys.platform == "win32":
        for _ in range(count):
            it.endpoint.send(closed_address(), b"answer")
    else:
        with failing_sends(it.endpoint, 10054):
            for _ in range(count):
                it.endpoint.send(closed_address(), b"answer")
    await until(lambda: sum(it.status.errors.values()) == count)


def test_a_dead_reader_that_is_mended_is_seen_in_the_next_scrape(exporter):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            name = it.status.name
            before = await exporter.scraped()
            assert before.state("endpoint_state", endpoint=name) == ["healthy"]
            assert before.value("endpoint_rearms_total", endpoint=name) == 0
            assert before.value("endpoint_last_heard_timestamp_seconds", endpoint=name) is None
            with dead_reader(it.endpoint):
                await it.until(lambda: it.status.rearms)
                await it.hears()
                await until(lambda: it.status.last_heard)
            heard_before = it.status.last_heard
            after = await exporter.scraped()
            assert after.state("endpoint_state", endpoint=name) == ["healthy"]
            assert after.value("endpoint_rearms_total", endpoint=name) == it.status.rearms
            heard = after.value("endpoint_last_heard_timestamp_seconds", endpoint=name)
            assert heard_before <= heard <= it.status.last_heard
            assert abs(time.time() - heard) < 60

    run(main)


def test_errors_of_departed_peers_are_counted_by_number(exporter):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            await make_errors(it, 3)
            told = await exporter.scraped()
            name = it.status.name
            assert told.value("endpoint_errors_total", endpoint=name, number=RESET) == 3
            for number, count in tribler_udp_fix.status().counters["receive_errors"].items():
                assert told.value("receive_errors_total", number=number) == count

    run(main)


def test_probes_are_counted_by_what_became_of_them(exporter):
    async def main():
        async with scene() as it:
            await it.until(lambda: it.status.probes["answered"] >= 2)
            told = await exporter.scraped()
            name = it.status.name
            outcomes = {
                outcome: told.value("endpoint_probes_total", endpoint=name, outcome=outcome)
                for outcome in ("answered", "missed", "late", "unsent")
            }
            assert outcomes["answered"] >= 2
            assert told.value("endpoint_probes_sent_total", endpoint=name) >= outcomes["answered"]
            assert told.value("endpoint_forged_probes_total", endpoint=name) == 0
            (loop,) = {type(asyncio.get_running_loop()).__name__}
            assert told.value("loop_lag_seconds", loop=loop) >= 0
            assert told.value("loop_wakeups_renewed_total", loop=loop) == 0

    run(main)


def test_a_rebind_is_counted(exporter):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            await it.watchdog.rebind()
            told = await exporter.scraped()
            assert told.value("endpoint_rebinds_total", endpoint=it.status.name) == 1
            assert told.value("endpoint_failed_rebinds_total", endpoint=it.status.name) == 0
            assert told.value("endpoint_datagrams_lost_total", endpoint=it.status.name) == 0

    run(main)


def test_an_endpoint_under_two_watchdogs_is_told_once_and_none_after_they_stopped(exporter):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            name = it.status.name
            async with Watchdog(it.endpoint, NEVER_QUIET):
                told = await exporter.scraped()
                assert told.value("endpoint_rebinds_total", endpoint=name) == 0
        told = await exporter.scraped()
        assert [sample for sample in told.samples if "endpoint" in sample.labels] == []

    run(main)


def test_each_repair_is_in_the_state_that_the_status_says(exporter):
    told = exporter.scrape()
    assert told.value("installed") == 1
    assert told.value("build_info", version=tribler_udp_fix.__version__) == 1
    repairs = tribler_udp_fix.status().repairs
    assert repairs
    for repair in repairs:
        assert told.state("repair_state", fault=repair.fault) == [repair.state]
    tribler_udp_fix.uninstall()
    assert exporter.scrape().value("installed") == 0


@contextlib.contextmanager
def counted() -> Iterator[None]:
    """One of each thing that is counted, so that no metric is without a sample."""
    from tribler_udp_fix._asyncio._counters import COUNTERS

    COUNTERS.error("receive", OSError(None, "reset", None, 10054))
    COUNTERS.error("send", OSError(None, "reset", None, 10054))
    COUNTERS.dropped("for a test")
    yield


def test_names_types_labels_and_help_are_as_prometheus_has_them(exporter):
    async def main():
        async with scene(settings=NEVER_QUIET) as it:
            await make_errors(it, 1)
            await it.hears()
            await until(lambda: it.status.last_heard)
            with counted():
                text = await asyncio.get_running_loop().run_in_executor(None, exporter.text)
        texts.append(text)

    texts: list[str] = []
    run(main)
    told = Scrape(parse_text(texts[0]))
    labels = {sample.name: set(sample.labels) for sample in told.samples}
    there = {name: names for name, names in LABELS.items() if name not in ABSENT}
    assert labels == {f"tribler_udp_fix_{name}": names for name, names in there.items()}
    # The rules of "promtool check metrics".
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", texts[0], re.MULTILINE))
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", texts[0], re.MULTILINE))
    absent = {f"tribler_udp_fix_{name}" for name in ABSENT}
    assert set(types) == set(helps) == set(labels) | absent
    for name, kind in types.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert (kind == "counter") == name.endswith("_total")
        assert kind in ("counter", "gauge")
        assert not re.search(r"counter|gauge|_(count|sum|bucket)$|_(ms|milliseconds)(_|$)", name)
        assert re.search(r"(lag|rtt|timestamp)_seconds$", name) or "seconds" not in name
        assert helps[name].endswith(".")


def test_openmetrics_has_the_same_samples(exporter):
    strict = Scrape(parse_openmetrics(exporter.text(OPENMETRICS)))
    kinds = {family.type for family in strict.families.values()}
    assert kinds == {"counter", "gauge", "info", "stateset"}
    assert {s.name for s in strict.samples} == {s.name for s in exporter.scrape().samples}


def test_registering_twice_is_once_and_unregistering_leaves_nothing(exporter):
    one, other = CollectorRegistry(), CollectorRegistry()
    for _ in range(2):
        for registry in (one, one, other):
            metrics.register(registry)
        assert len(list(one.collect())) == len(list(other.collect())) == len(LABELS)
        for _ in range(2):
            metrics.unregister(one)
        assert list(one.collect()) == []
    metrics.unregister(other)
    metrics.unregister(CollectorRegistry())


def test_without_an_argument_it_is_prometheus_clients_own_registry():
    def names() -> set[str]:
        return {family.name for family in REGISTRY.collect()}

    before = names()
    metrics.unregister()
    metrics.register()
    try:
        assert "tribler_udp_fix_build" in names() - before
    finally:
        metrics.unregister()
    assert names() == before


def test_names_that_somebody_else_has_are_an_error_and_nothing_is_registered():
    registry = CollectorRegistry()
    Counter("tribler_udp_fix_endpoint_rearms", "Somebody else's.", registry=registry)
    with pytest.raises(ValueError, match="tribler_udp_fix_endpoint_rearms"):
        metrics.register(registry)
    assert len(list(registry.collect())) == 1


def test_prometheus_client_is_not_imported_before_it_is_asked_for(tmp_path):
    script = "import sys, tribler_udp_fix.metrics; tribler_udp_fix.install(); print(*sys.modules)"
    command = [sys.executable, "-c", script]
    loaded = subprocess.check_output(command, cwd=str(tmp_path), stdin=subprocess.DEVNULL)
    assert b"tribler_udp_fix.metrics" in loaded.split()
    assert b"prometheus_client" not in loaded.split()


def test_without_prometheus_client_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "tribler_udp_fix._metrics", raising=False)
    with pytest.raises(ModuleNotFoundError, match="pip install prometheus_client"):
        metrics.register(CollectorRegistry())
