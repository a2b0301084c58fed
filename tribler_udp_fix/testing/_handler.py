"""A handler of datagrams that raises."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

from tribler_udp_fix.testing._targets import endpoints_of, is_over, is_transport, transports_of


class RaisingHandler:
    """What ``raising_handler()`` yields. ``count``: how often it has raised."""

    def __init__(self, error: Exception) -> None:
        self.count = 0
        self._error = error

    def _raise(self) -> None:
        self.count += 1
        raise self._error.with_traceback(None)


@contextlib.contextmanager
def raising_handler(endpoint: Any, error: Exception | None = None) -> Iterator[RaisingHandler]:
    """Whatever *endpoint* hears, its handler raises *error*, by default a RuntimeError.

    An IPv8 endpoint gets one more listener, after those that it has; listeners that come after it
    hear nothing, which is how IPv8 is made. A plain transport gets a protocol whose
    ``datagram_received()`` raises, in place of its own, which hears everything else.

    The exception is the event loop's to report. The endpoint reads on, and is to be taken for what
    it is: healthy (https://github.com/twisted/twisted/issues/11188). On every event loop of
    asyncio's and every system.

    Raises FaultUnavailable where *endpoint* is neither.
    """
    handler = RaisingHandler(error or RuntimeError("a handler that raises on every datagram"))
    if is_transport(endpoint):
        with _raising_protocol(endpoint, handler):
            yield handler
        return
    with contextlib.ExitStack() as stack:
        for leaf in endpoints_of(endpoint):
            listener = _listener(leaf, handler)
            leaf.add_listener(listener)
            stack.callback(leaf.remove_listener, listener)
        yield handler


@contextlib.contextmanager
def _raising_protocol(transport: Any, handler: RaisingHandler) -> Iterator[None]:
    (transport,) = transports_of(transport)
    protocol = transport.get_protocol()
    raising = _RaisingProtocol(protocol, handler)
    transport.set_protocol(raising)
    try:
        yield
    finally:
        if not is_over(transport) and transport.get_protocol() is raising:
            transport.set_protocol(protocol)


class _RaisingProtocol:
    def __init__(self, protocol: Any, handler: RaisingHandler) -> None:
        self._protocol = protocol
        self._handler = handler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def datagram_received(self, _data: bytes, _address: Any) -> None:
        self._handler._raise()


def _listener(endpoint: Any, handler: RaisingHandler) -> Any:
    # Here alone, because the program that has such an endpoint has imported it.
    from ipv8.messaging.interfaces.endpoint import EndpointListener

    class RaisingListener(EndpointListener):  # type: ignore[misc]
        def __init__(self) -> None:
            # Not the base's: it looks for this machine's addresses, which takes long.
            self.endpoint = endpoint
            self._use_main_thread = True
            self._my_estimated_lan = None

        def on_packet(self, _packet: Any) -> None:
            handler._raise()

    return RaisingListener()
