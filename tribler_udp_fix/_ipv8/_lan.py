"""Who listens to an IPv8 endpoint, and what its communities believe of their own address."""

from __future__ import annotations

import asyncio
from typing import Any

from tribler_udp_fix._imports._whole import whole
from tribler_udp_fix._ipv8._names import LAN_ADDRESSES

STALE = 0.5  # seconds; several endpoints ask at the same time


def listeners_of(endpoint: Any) -> set[Any]:
    """The listeners of the *endpoint*: its communities, and whoever else."""
    with endpoint.listener_update_lock:
        return set(endpoint._listeners).union(*endpoint._prefix_map.values())


def forget_lan_addresses(endpoint: Any, old_port: int | None = None) -> None:
    """Have each listener of the endpoint that knows itself at *old_port* look again; None: all."""
    for listener in listeners_of(endpoint):
        known = getattr(listener, "_my_estimated_lan", None)
        if known is not None and old_port in (None, known[1]):
            listener._my_estimated_lan = None


def know_lan_address(endpoint: Any, address: Any) -> None:
    """Have each listener of the endpoint know itself at *address*, of the same family.

    IPv8 would guess it from the addresses of all adapters.
    """
    for listener in listeners_of(endpoint):
        if _is_ipv6(listener) is (":" in address[0]):
            listener._my_estimated_lan = address[:2]


def _is_ipv6(listener: Any) -> bool | None:
    """Whether the listener is at an IPv6 address; None where that cannot be said."""
    try:
        return bool(listener.is_ipv6_listener)
    except Exception:  # no community's, or its endpoint is asked: a dispatcher counts as open by
        return None  # its first interface, and asks the one that it prefers, which may be closed


def believes_in(endpoint: Any, host: str) -> bool:
    """Whether a listener of the endpoint knows itself at *host*."""
    return any(
        known is not None and known[0] == host
        for listener in listeners_of(endpoint)
        for known in [getattr(listener, "_my_estimated_lan", None)]
    )


def find_lan_addresses(endpoint: Any) -> None:
    """Have every listener of the endpoint look again, once IPv8 knows the machine's addresses.

    IPv8 asks for them every ten seconds, in a thread, for it may take long; here it does so now.
    One that keeps to an interface has its address there.
    """
    transport: Any = getattr(endpoint, "_transport", None)  # Rust's has none
    if getattr(transport, "interface", None) is not None:
        if transport.has_socket:  # else it has none, and whoever gives it one tells
            know_lan_address(endpoint, transport._sockname())
        return
    done = asyncio.get_running_loop().run_in_executor(None, _discover)

    def look_again(_: Any) -> None:
        if not done.cancelled() and done.exception() is None:
            forget_lan_addresses(endpoint)

    done.add_done_callback(look_again)


def _discover() -> None:
    providers = getattr(whole(LAN_ADDRESSES), "get_providers", tuple)
    for provider in providers():
        provider.discover_addresses(STALE)
