"""Scraping as Prometheus does: a program's exporter on loopback, and what one scrape brings."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.parser import text_string_to_metric_families as parse_text


class Scrape:
    """What one scrape brought."""

    def __init__(self, families: Any) -> None:
        self.families = {family.name: family for family in families}
        self.samples = [sample for f in self.families.values() for sample in f.samples]

    def value(self, name: str, **labels: str) -> Any:
        """The one sample of this name that has these labels; None where there is none."""
        found = [
            sample.value
            for sample in self.samples
            if sample.name == f"tribler_udp_fix_{name}" and labels.items() <= sample.labels.items()
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def state(self, name: str, **labels: str) -> list[str]:
        """Which states of a state set are true."""
        key = f"tribler_udp_fix_{name}"
        return [
            sample.labels[key]
            for sample in self.samples
            if sample.name == key and labels.items() <= sample.labels.items() and sample.value
        ]


class Exporter:
    """A program's own HTTP server of prometheus_client."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.server, self.thread = start_http_server(0, "127.0.0.1", self.registry)
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def text(self, accept: str = "text/plain") -> str:
        """What Prometheus gets."""
        url = f"http://127.0.0.1:{self.server.server_port}/metrics"
        request = urllib.request.Request(url, headers={"Accept": accept})
        with self._open(request, timeout=30) as response:
            body: bytes = response.read()
        return body.decode()

    def scrape(self) -> Scrape:
        """The same, parsed."""
        return Scrape(parse_text(self.text()))

    async def scraped(self) -> Scrape:
        """The same while the event loop goes on."""
        return await asyncio.get_running_loop().run_in_executor(None, self.scrape)

    def close(self) -> None:
        """Stop to serve."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)
