"""The endpoints that own a socket, found behind those that only pass on."""

from __future__ import annotations

from typing import Any, NamedTuple

from tribler_udp_fix._imports._modules import loaded_class
from tribler_udp_fix._ipv8._names import (
    DISPATCHER,
    RUST,
    STATISTICS,
    TUNNEL,
    UDP,
)
from tribler_udp_fix._patching._patches import Shape

# What a repair of a UDPEndpoint relies on, with its parameters.
_RELIED_ON = {
    "open": ["self"],
    "close": ["self"],
    "send": ["self", "socket_address", "packet"],
    "datagram_received": ["self", "datagram", "addr"],
    "error_received": ["self", "exc"],
    "assert_open": ["self"],
    "is_open": ["self"],
    "get_address": ["self"],
}


class Leaves(NamedTuple):
    """What was found behind an endpoint.

    ``udp`` are UDPEndpoint and UDPv6Endpoint objects, ``rust`` those of ipv8-rust-tunnels, each
    once and in the order found; ``unknown`` names the classes that were left alone.
    """

    udp: tuple[Any, ...]
    rust: tuple[Any, ...]
    unknown: tuple[str, ...]


def leaves(endpoint: Any) -> Leaves:
    """Follow *endpoint* through Statistics, Tunnel and Dispatcher endpoints to those with a socket.

    Imports nothing: a class whose module the program has not imported has no objects. A class
    that is none of IPv8's, such as the mock endpoints of its tests, is left alone and named, and
    so is a subclass of UDPEndpoint that overrides what the repairs rely on without calling it.
    """
    udp: list[Any] = []
    rust: list[Any] = []
    unknown: list[str] = []
    seen: list[Any] = []
    waiting = [endpoint]
    while waiting:
        found = waiting.pop(0)
        if any(found is one for one in seen):
            continue
        seen.append(found)
        if _is(found, STATISTICS, "StatisticsEndpoint") or _is(found, TUNNEL, "TunnelEndpoint"):
            waiting.append(found.endpoint)
        elif _is(found, DISPATCHER, "DispatcherEndpoint"):
            waiting.extend(found.interfaces.values())
        elif _is(found, RUST, "Endpoint") or _is(found, RUST, "RustEndpoint"):
            rust.append(found)
        elif _is_known_udp(found):
            udp.append(found)
        elif type(found).__name__ not in unknown:
            unknown.append(type(found).__name__)
    return Leaves(tuple(udp), tuple(rust), tuple(unknown))


def _is(endpoint: Any, module: str, name: str) -> bool:
    cls = loaded_class(module, name)
    # type(), not isinstance(): a mock may say that it is anything.
    return cls is not None and issubclass(type(endpoint), cls)


def _is_known_udp(endpoint: Any) -> bool:
    own = [loaded_class(UDP, "UDPEndpoint"), loaded_class(UDP, "UDPv6Endpoint")]
    bases = type(endpoint).__mro__
    if own[0] not in bases:
        return False
    theirs = bases[: bases.index(own[0])]
    return not any(_overrides(cls) for cls in theirs if cls not in own)


def _overrides(cls: type) -> bool:
    """Whether *cls* puts something in the place of what is relied on, instead of adding to it.

    Adding is to take the same parameters and to call what was overridden, by its name.
    """
    return any(
        Shape(cls, name, parameters, [name], name == "open").mismatch() is not None
        for name, parameters in _RELIED_ON.items()
        if name in vars(cls)
    )
