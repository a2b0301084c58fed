"""Which methods of IPv8's endpoints are replaced, by what, and what they must look like.

The shapes are those of pyipv8 2.10.0 to 3.2.1.
"""

from __future__ import annotations

import asyncio
from typing import Any, Callable, Dict, Tuple

from tribler_udp_fix._imports._modules import required_class
from tribler_udp_fix._ipv8._error_counts import count_error
from tribler_udp_fix._ipv8._names import STATISTICS, TARGETS, TUNNEL, UDP
from tribler_udp_fix._ipv8._opening import open_endpoint
from tribler_udp_fix._patching._patches import (
    Check,
    Inherited,
    OneOf,
    Patch,
    Repair,
    Shape,
    home_of,
)

Args = Tuple[Any, ...]
Kwargs = Dict[str, Any]
Faults = Tuple[str, ...]


def repair_of(module: str) -> Repair:
    """The repair for a module of ``TARGETS`` that is imported; raises LookupError if unknown."""
    name, faults = TARGETS[module]
    return _MAKERS[module](required_class(module, name), faults)


def _udp_repair(cls: type, faults: Faults) -> Repair:
    """``open()`` replaced (F13), and ``error_received()`` heard, which nobody listened to."""

    def open_(_wrapped: Callable[..., Any], endpoint: Any, _args: Args, _kwargs: Kwargs) -> Any:
        return open_endpoint(endpoint)

    def error_received(
        wrapped: Callable[..., Any], endpoint: Any, args: Args, kwargs: Kwargs
    ) -> Any:
        count_error(endpoint, args[0] if args else kwargs.get("exc"))
        return wrapped(*args, **kwargs)

    cls6 = required_class(UDP, "UDPv6Endpoint")
    state = ["_ip", "_port", "_running", "_transport"]
    opens = ["SOCKET_FAMILY", "create_datagram_endpoint", *state]
    shapes = (
        OneOf(
            (
                Shape(cls, "__init__", ["self", "port", "ip"], state),
                Shape(cls, "__init__", ["self", "port", "ip", "sockopts"], ["_sockopts", *state]),
            )
        ),
        OneOf(
            (
                Shape(cls, "open", ["self"], ["SO_RCVBUF", *opens], coroutine=True),
                Shape(cls, "open", ["self"], ["_sockopts", *opens], coroutine=True),
            )
        ),
        Shape(cls, "close", ["self"], ["_running", "_transport"]),
        Shape(cls, "datagram_received", ["self", "datagram", "addr"], ["_running"]),
        Shape(asyncio.DatagramProtocol, "error_received", ["self", "exc"]),
        Inherited(cls, "error_received", asyncio.DatagramProtocol),
        Inherited(cls6, "error_received", asyncio.DatagramProtocol),
        Inherited(cls6, "open", cls),
    )
    how = "open() leaks no socket and tells when it failed; errors are counted"
    patches = (Patch(cls, "open", open_), Patch(cls, "error_received", error_received))
    return Repair(how, faults, shapes, patches)


# What passes on everything that it does not have itself, __getattribute__(), passes on nothing
# that a base class has: in pyipv8 3.1 the two endpoints became subclasses of Endpoint.
_LISTENING = {
    "add_listener": ["self", "listener"],
    "add_prefix_listener": ["self", "listener", "prefix"],
    "remove_listener": ["self", "listener"],
    "notify_listeners": ["self", "packet"],
}


def _forwarding_repair(cls: type, faults: Faults) -> Repair:
    """Listeners passed on to the endpoint behind this one, where a base class keeps them (F15)."""

    def forward(name: str) -> Patch:
        def replacement(
            _wrapped: Callable[..., Any], endpoint: Any, args: Args, kwargs: Kwargs
        ) -> Any:
            return getattr(endpoint.endpoint, name)(*args, **kwargs)

        return Patch(cls, name, replacement)

    kept = {name: home for name in _LISTENING for home in [home_of(cls, name)] if home is not None}
    wrong = [name for name, home in kept.items() if home is not cls]
    if not wrong:
        reason = f"{cls.__name__} of this pyipv8 passes listeners on"
        return Repair("", faults, _passes_on(cls, kept), not_needed=reason)
    shapes = [Shape(kept[name], name, _LISTENING[name], _KEEPS[name]) for name in wrong]
    how = f"{cls.__name__} passes on {', '.join(wrong)}"
    init = Shape(cls, "__init__", ["self", "endpoint"], ["endpoint"])
    return Repair(how, faults, (init, *shapes), tuple(map(forward, wrong)))


_KEEPS = {
    "add_listener": ["_listeners"],
    "add_prefix_listener": ["_prefix_map"],
    "remove_listener": ["_listeners", "_prefix_map"],
    "notify_listeners": ["_listeners"],
}


def _passes_on(cls: type, kept: dict[str, type]) -> tuple[Check, ...]:
    if len(kept) == len(_LISTENING):
        return ()
    return (Shape(cls, "__getattribute__", ["self", "item"], ["AttributeError", "endpoint"]),)


_MAKERS: dict[str, Callable[[type, Faults], Repair]] = {
    UDP: _udp_repair,
    STATISTICS: _forwarding_repair,
    TUNNEL: _forwarding_repair,
}
