"""The modules and classes of IPv8 by name: none of them is imported here."""

from __future__ import annotations

import sys
from typing import NamedTuple

UDP = "ipv8.messaging.interfaces.udp.endpoint"
DISPATCHER = "ipv8.messaging.interfaces.dispatcher.endpoint"
STATISTICS = "ipv8.messaging.interfaces.statistics_endpoint"
TUNNEL = "ipv8.messaging.anonymization.endpoint"
RUST = "ipv8_rust_tunnels.endpoint"
SERVICE = "ipv8_service"


class Target(NamedTuple):
    """A class or function that is repaired, and the faults of the catalogue that it has."""

    name: str
    faults: tuple[str, ...]


# By the module whose import is waited for. A further one needs its repair in _repairs.py.
# "ipv8_service" puts __main__ in its own place in sys.modules where that has a global IPv8: what
# is there is then another class, and is left alone.
TARGETS: dict[str, Target] = {
    UDP: Target("UDPEndpoint", ("F13",)),
    STATISTICS: Target("StatisticsEndpoint", ("F15",)),
    TUNNEL: Target("TunnelEndpoint", ("F15",)),
    SERVICE: Target("IPv8", ("F11", "F12")),
}


def is_loaded(module: str) -> bool:
    """Whether the program has imported the module, to its end."""
    return sys.modules.get(module) is not None and not is_under_way(module)


def is_under_way(module: str) -> bool:
    """Whether the module's own code is running, or about to: half of its names may be missing."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def loaded(module: str, name: str) -> object:
    """The class or function *name* that the module defines, without our wrapper; else None."""
    found = getattr(sys.modules.get(module), name, None)
    found = getattr(found, "__wrapped__", found)
    return found if getattr(found, "__module__", None) == module else None


def loaded_class(module: str, name: str) -> type | None:
    """The class *name* that the module defines, if the program has imported it; else None."""
    cls = getattr(sys.modules.get(module), name, None)
    # Defined there, not imported: the Rust module may have IPv8's own Endpoint as well.
    return cls if isinstance(cls, type) and cls.__module__ == module else None
