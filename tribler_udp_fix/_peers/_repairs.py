"""Which methods of IPv8 that keep its peers are replaced, by what, and what they must look like.

The shapes are those of pyipv8 2.10.0 to 3.2.1.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Tuple

from tribler_udp_fix._imports._modules import required_class
from tribler_udp_fix._patching._patches import Patch, Repair, Shape
from tribler_udp_fix._peers import _churn, _passthrough, _service
from tribler_udp_fix._peers._names import CHURN, DHT, DISCOVERY, NETWORK, REQUESTS, TARGETS
from tribler_udp_fix._watchdog._ipv8_service import companions

companions.append(_service.COMPANION)

Args = Tuple[Any, ...]
Kwargs = Dict[str, Any]
Faults = Tuple[str, ...]
Wrapped = Callable[..., Any]


def repair_of(module: str) -> Repair:
    """The repair for a module of ``TARGETS`` that is imported; raises LookupError if unknown."""
    name, faults = TARGETS[module]
    return _MAKERS[module](required_class(module, name), faults)


def _churn_repair(cls: type, faults: Faults) -> Repair:
    """Nobody is judged by a node that may be deaf (F16), everybody is by when it is not (F17)."""

    def of(replacement: Callable[..., Any]) -> Patch:
        def wrapper(_wrapped: Wrapped, churn: Any, args: Args, kwargs: Kwargs) -> Any:
            return replacement(churn, *args, **kwargs)

        return Patch(cls, replacement.__name__, wrapper)

    times = ["drop_time", "inactive_time", "ping_interval", "sample_size"]
    step = ["_pinged", "is_inactive", "maxlen", "network", "overlay", "ping_interval", "pings"]
    step += ["remove_peer", "sample", "sample_size", "send_ping", "should_drop", "walk_lock"]
    shapes = (
        Shape(
            cls,
            "__init__",
            ["self", "overlay", "sample_size", "ping_interval", "inactive_time", "drop_time"],
            ["_pinged", *times],
        ),
        Shape(cls, "should_drop", ["self", "peer"], ["drop_time", "last_response"]),
        Shape(cls, "is_inactive", ["self", "peer"], ["inactive_time", "last_response"]),
        Shape(cls, "take_step", ["self"], step),
    )
    how = "RandomChurn drops nobody while its own node may be deaf, and nobody stays unjudged"
    replaced = (_churn.should_drop, _churn.is_inactive, _churn.take_step)
    return Repair(how, faults, shapes, tuple([of(replacement) for replacement in replaced]))


def _network_repair(cls: type, faults: Faults) -> Repair:
    """Nothing is left of a peer that was removed: by its address (F18), by its key (F19)."""

    def remove_peer(wrapped: Wrapped, network: Any, args: Args, kwargs: Kwargs) -> Any:
        with network.graph_lock:
            result = wrapped(*args, **kwargs)
            _forget(network, [args[0] if args else kwargs["peer"]])
        return result

    def remove_by_address(wrapped: Wrapped, network: Any, args: Args, kwargs: Kwargs) -> Any:
        with network.graph_lock:
            before = set(network.verified_peers)
            result = wrapped(*args, **kwargs)
            gone = before - network.verified_peers
            for peer in gone:
                network.verified_by_public_key_bin.pop(peer.public_key.key_to_bin(), None)
            _forget(network, gone)
        return result

    known = ["_all_addresses", "graph_lock", "verified_peers"]
    shapes = (
        Shape(cls, "__init__", ["self"], ["reverse_ip_lookup", "verified_by_public_key_bin"]),
        Shape(cls, "get_verified_by_address", ["self", "address"], ["reverse_ip_lookup"]),
        Shape(cls, "remove_peer", ["self", "peer"], ["verified_by_public_key_bin", *known]),
        Shape(cls, "remove_by_address", ["self", "address"], known),
    )
    how = "Network keeps nothing of a peer that was removed"
    patches = (
        Patch(cls, "remove_peer", remove_peer),
        Patch(cls, "remove_by_address", remove_by_address),
    )
    return Repair(how, faults, shapes, patches)


def _forget(network: Any, gone: Any) -> None:
    lookup = network.reverse_ip_lookup
    left = set(gone) - set(network.verified_peers)  # an observer may have added one again
    for address in [address for address, other in lookup.items() if other in left]:
        del lookup[address]


def _discovery_repair(cls: type, faults: Faults) -> Repair:
    """A ping is remembered by the number that it has on the wire (F20)."""
    cache = required_class(DISCOVERY, "PingRequestCache")

    def init(wrapped: Wrapped, _cache: Any, args: Args, kwargs: Kwargs) -> Any:
        def numbered(
            request_cache: Any, identifier: int, *others: Any, **named: Any
        ) -> tuple[Args, Kwargs]:
            number = identifier % 65_536  # as PingPayload has it
            if request_cache.has(cache.name, number):  # type: ignore[attr-defined]
                # The global time can be moved by others: the older ping gives way.
                request_cache.pop(cache.name, number)  # type: ignore[attr-defined]
            return (request_cache, number, *others), named

        args, kwargs = numbered(*args, **kwargs)
        return wrapped(*args, **kwargs)

    parameters = ["self", "request_cache", "identifier", "peer", "start_time"]
    shapes = (
        Shape(cls, "send_ping", ["self", "peer"], ["PingPayload", "PingRequestCache"]),
        Shape(cache, "__init__", parameters, ["peer", "start_time"]),
    )
    how = "a ping is remembered by the number that it has on the wire"
    return Repair(how, faults, shapes, (Patch(cache, "__init__", init),))


def _requests_repair(cls: type, faults: Faults) -> Repair:
    """A time-out is minded by ``wait_for()``, and changed for nobody else's caches (F21)."""

    def passthrough(_wrapped: Wrapped, requests: Any, args: Args, kwargs: Kwargs) -> Any:
        return _passthrough.passthrough(requests, *args, **kwargs)

    def wait_for(wrapped: Wrapped, _requests: Any, args: Args, kwargs: Kwargs) -> Any:
        def named(prefix: Any, number: int, timeout: float | None = None) -> Any:
            return wrapped(prefix if isinstance(prefix, str) else prefix.name, number, timeout)

        return named(*args, **kwargs)

    switch = ["_timeout_override", "_timeout_filters"]
    shapes = [
        Shape(cls, "passthrough", ["self", "cls_filter", "filters", "timeout"]),
        Shape(cls, "add", ["self", "cache"], [*switch, "register_task"]),
    ]
    patches = [Patch(cls, "passthrough", passthrough), Patch(cls, "add", _passthrough.add)]
    how = "RequestCache.passthrough() changes no other task's time-outs"
    if "wait_for" in vars(cls):  # since 3.0
        parameters = ["self", "prefix", "number", "timeout"]
        shapes.append(Shape(cls, "wait_for", parameters, ["_waiters", "_watch_future", "name"]))
        patches.append(Patch(cls, "wait_for", wait_for))
        how += ", and wait_for() minds its own for a class as well"
    return Repair(how, faults, tuple(shapes), tuple(patches))


def _dht_repair(cls: type, faults: Faults) -> Repair:
    """A node that did not answer is not connected (F22): ``ping()`` returns None for it."""
    node_class: Any = required_class("ipv8.dht.routing", "Node")
    error: Any = required_class("ipv8.dht", "DHTError")

    def connect_peer(wrapped: Wrapped, dht: Any, args: Args, kwargs: Kwargs) -> Any:
        async def connect(mid: bytes, peer: Any = None) -> Any:
            if peer and mid not in dht.store:
                node = node_class(peer.key, peer.address)
                try:
                    answered = await dht.ping(node) is not None
                except error:
                    answered = False
                if answered:
                    return [node]
            return await wrapped(mid)

        return connect(*args, **kwargs)

    mentions = ["Node", "find_nodes", "ping", "send_connect_peer_request", "store"]
    shapes = (Shape(cls, "connect_peer", ["self", "mid", "peer"], mentions, coroutine=True),)
    how = "connect_peer() takes nobody for connected who did not answer"
    return Repair(how, faults, shapes, (Patch(cls, "connect_peer", connect_peer),))


_MAKERS: dict[str, Callable[[type, Faults], Repair]] = {
    CHURN: _churn_repair,
    NETWORK: _network_repair,
    DISCOVERY: _discovery_repair,
    REQUESTS: _requests_repair,
    DHT: _dht_repair,
}
