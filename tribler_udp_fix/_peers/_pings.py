"""Has the DHT ping its nodes where its program has left that out.

``PingChurn`` drops the bad nodes of a routing table and pings the others. Tribler 7.13 adds it to
its ``DHTDiscoveryCommunity``; Tribler 8 does not, so that nobody ever leaves its routing table.
"""

from __future__ import annotations

from typing import Any

DHT = "ipv8.dht.discovery.DHTDiscoveryCommunity"
STRATEGY = "PingChurn"


def run_pings(ipv8: Any) -> list[Any]:
    """Add the strategy to each DHT of *ipv8* that is without; returns what was added."""
    added = []
    for overlay in list(ipv8.overlays):
        names = {f"{cls.__module__}.{cls.__name__}" for cls in type(overlay).__mro__}
        if DHT not in names or any(_is_its(one, overlay) for one, _ in list(ipv8.strategies)):
            continue
        strategy = overlay.get_available_strategies()[STRATEGY](overlay)
        ipv8.add_strategy(overlay, strategy, -1)
        added.append(strategy)
    return added


def end_pings(ipv8: Any, added: list[Any]) -> None:
    """Take out what ``run_pings()`` has added, and nothing else."""
    with ipv8.overlay_lock:
        ipv8.strategies = [one for one in ipv8.strategies if not any(one[0] is a for a in added)]


def _is_its(strategy: Any, overlay: Any) -> bool:
    named = any(cls.__name__ == STRATEGY for cls in type(strategy).__mro__)
    return named and strategy.overlay is overlay
