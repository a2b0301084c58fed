"""The modules and classes of IPv8 by name: none of them is imported here."""

from __future__ import annotations

from tribler_udp_fix._imports._modules import Target

UDP = "ipv8.messaging.interfaces.udp.endpoint"
DISPATCHER = "ipv8.messaging.interfaces.dispatcher.endpoint"
STATISTICS = "ipv8.messaging.interfaces.statistics_endpoint"
TUNNEL = "ipv8.messaging.anonymization.endpoint"
RUST = "ipv8_rust_tunnels.endpoint"
LAN_ADDRESSES = "ipv8.messaging.interfaces.lan_addresses.interfaces"
# It puts __main__ in its own place in sys.modules where that has a global IPv8: what is there is
# then another class, and is left alone.
SERVICE = "ipv8_service"

# By the module whose import is waited for. A further one needs its repair in _repairs.py; the
# service's is the watchdog's.
TARGETS: dict[str, Target] = {
    UDP: Target("UDPEndpoint", ("F13",)),
    STATISTICS: Target("StatisticsEndpoint", ("F15",)),
    TUNNEL: Target("TunnelEndpoint", ("F15",)),
}
