"""The classes of IPv8 that keep its peers, by name: none of them is imported here."""

from __future__ import annotations

from tribler_udp_fix._imports._modules import Target

CHURN = "ipv8.peerdiscovery.churn"
NETWORK = "ipv8.peerdiscovery.network"
DISCOVERY = "ipv8.peerdiscovery.community"
REQUESTS = "ipv8.requestcache"
DHT = "ipv8.dht.discovery"

# By the module whose import is waited for. A further one needs its repair in _repairs.py.
TARGETS: dict[str, Target] = {
    CHURN: Target("RandomChurn", ("F16", "F17")),
    NETWORK: Target("Network", ("F18", "F19")),
    DISCOVERY: Target("DiscoveryCommunity", ("F20",)),
    REQUESTS: Target("RequestCache", ("F21",)),
    DHT: Target("DHTDiscoveryCommunity", ("F22",)),
}
