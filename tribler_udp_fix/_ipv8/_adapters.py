"""Which IPv8 endpoints keep to one network interface."""

from __future__ import annotations

import weakref
from typing import Any

from tribler_udp_fix._asyncio._interfaces import Interface
from tribler_udp_fix._imports._modules import loaded_class
from tribler_udp_fix._ipv8._names import UDP
from tribler_udp_fix._settings import current_settings

ALL = ("0.0.0.0", "::", "")

_chosen: weakref.WeakKeyDictionary[Any, Interface] = weakref.WeakKeyDictionary()


def keep_to(endpoint: Any, interface: Interface) -> None:
    """Have the IPv8 *endpoint* keep to the *interface*, whenever it is opened."""
    _chosen[endpoint] = interface


def opens_where_it_keeps_to() -> bool:
    """Whether a UDP endpoint that is opened has its first socket where it is to keep to.

    IPv8's own ``open()`` knows nothing of that, and binds it to every address.
    """
    return hasattr(getattr(loaded_class(UDP, "UDPEndpoint"), "open", None), "__wrapped__")


def chosen_for(endpoint: Any) -> Interface | None:
    """What was chosen for the *endpoint*, of whichever make, if anything was."""
    try:
        return _chosen.get(endpoint)
    except TypeError:  # nothing can be remembered of it
        return None


def interface_of(endpoint: Any) -> Interface | None:
    """What the IPv8 *endpoint* keeps to: what was chosen for it, or is set for all.

    The setting leaves an endpoint alone that its program binds to an address of its own choice.
    """
    if endpoint in _chosen:
        return _chosen[endpoint]
    return Interface.named(current_settings().bind_interface) if endpoint._ip in ALL else None
