"""Listeners of the IPv8 that an endpoint belongs to, which is not imported here."""

from __future__ import annotations

import sys
from typing import Any, Callable

_classes: dict[type, Any] = {}


def listener(endpoint: Any, heard: Callable[[Any, bytes], None]) -> Any:
    """A listener for *endpoint* that calls *heard* with each datagram's source and bytes.

    Raises TypeError where it is no endpoint of IPv8's.
    """
    home = next(filter(None, map(_home, type(endpoint).__mro__)), None)
    if home is None:
        raise TypeError(f"{endpoint!r}: allowed is an endpoint of IPv8's")
    if home not in _classes:
        _classes[home] = _listener_class(home)
    return _classes[home](endpoint, heard)


def _home(cls: type) -> Any:
    """The class EndpointListener that stands beside IPv8's class Endpoint."""
    module = sys.modules.get(cls.__module__) if cls.__name__ == "Endpoint" else None
    return getattr(module, "EndpointListener", None)


def _listener_class(base: Any) -> Any:
    class Listener(base):  # type: ignore[misc]
        def __init__(self, endpoint: Any, heard: Callable[[Any, bytes], None]) -> None:
            # Not the base's: it looks for this machine's addresses, which takes long.
            self.endpoint = endpoint
            self._use_main_thread = True
            self._my_estimated_lan = None
            self._heard = heard

        def on_packet(self, packet: tuple[Any, bytes]) -> None:
            self._heard(*packet)

    return Listener
