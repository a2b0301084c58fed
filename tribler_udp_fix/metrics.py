"""Prometheus metrics of the repairs and the watchdogs; they need prometheus_client.

docs/metrics.md lists them. prometheus_client is imported by ``register()``, not before.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from tribler_udp_fix._arguments import shown

if TYPE_CHECKING:
    from prometheus_client.registry import Collector, CollectorRegistry

__all__ = ["register", "unregister"]

_NO_REGISTRY = "registry={}: allowed is a prometheus_client.CollectorRegistry, or None"

_lock = threading.Lock()
_registered: weakref.WeakKeyDictionary[CollectorRegistry, Collector] = weakref.WeakKeyDictionary()


def register(registry: CollectorRegistry | None = None) -> None:
    """Have *registry*, by default prometheus_client's own, tell ``status()`` at each scrape.

    Twice is once, from any thread. Between scrapes nothing is done or kept; nothing is installed
    or watched by it. Raises ModuleNotFoundError where prometheus_client is missing, TypeError for
    what is no registry of its, and ValueError where the registry has metrics of these names from
    somebody else.
    """
    try:
        from tribler_udp_fix._metrics import REGISTRY, CollectorRegistry, StatusCollector
    except ModuleNotFoundError as exc:
        if exc.name != "prometheus_client":
            raise
        raise ModuleNotFoundError(
            "the metrics need prometheus_client: pip install prometheus_client, or in the "
            'project\'s clone the extra, pip install ".[metrics]"',
            name=exc.name,
        ) from None
    chosen = REGISTRY if registry is None else registry
    if not isinstance(chosen, CollectorRegistry):
        raise TypeError(_NO_REGISTRY.format(shown(registry)))
    with _lock:
        if chosen not in _registered:
            collector = StatusCollector()
            chosen.register(collector)
            _registered[chosen] = collector


def unregister(registry: CollectorRegistry | None = None) -> None:
    """Take the metrics out of *registry* again, by default prometheus_client's; twice is once.

    Raises TypeError for what is no registry.
    """
    # Told without prometheus_client, which may be missing: then nothing is registered.
    if registry is not None and not callable(getattr(registry, "unregister", None)):
        raise TypeError(_NO_REGISTRY.format(shown(registry)))
    with _lock:
        if registry is None and _registered:
            from tribler_udp_fix._metrics import REGISTRY

            registry = REGISTRY
        if registry is not None and registry in _registered:
            registry.unregister(_registered.pop(registry))
