"""Probes: datagrams that prove that an endpoint hears, and that only we can make.

A probe goes from a helper socket to the endpoint's own bound address, so that only the endpoint's
receiving is on trial. It begins with a secret random prefix, for which IPv8's endpoints route it
to our listener, and goes on with a fresh nonce. Nobody who does not see it can answer for the
endpoint, and nobody can answer twice. The endpoint never replies to it: a reply to a port that has
closed would make the very ICMP error that deafens.
"""

from __future__ import annotations

import secrets
import socket
import sys
from typing import Any, Callable

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
NONCE = 16  # bytes
OUTSTANDING = 16  # probes whose nonces are remembered


class ProbeSender:
    """The helper sockets, one for each address family, that probes are sent from."""

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}

    def send(self, address: Any, data: bytes) -> None:
        """Send *data* to where an endpoint bound to *address* receives it; raises OSError.

        An IPv6 *address* may be the socket's own 4-tuple, or a pair.
        """
        host = LOOPBACK.get(address[0], address[0])
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        target = (host, *address[1:])
        try:
            self._socket(family).sendto(data, target)
        except OSError:
            # Its own buffers are full of ICMP errors from an endpoint that is gone, or the like.
            self._close(family)
            self._socket(family).sendto(data, target)

    def close(self) -> None:
        """Close the helper sockets."""
        for family in list(self._sockets):
            self._close(family)

    def _socket(self, family: int) -> socket.socket:
        if family not in self._sockets:
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.setblocking(False)
            self._sockets[family] = sock
        return self._sockets[family]

    def _close(self, family: int) -> None:
        sock = self._sockets.pop(family, None)
        if sock is not None:
            sock.close()


class Prober:
    """Probes one endpoint. *answered* is called when one of its probes has been heard.

    It counts probes ``sent`` and ``answered``, those heard ``late``, through a socket that has been
    replaced since, and datagrams with our prefix that are no probe of ours, ``forged`` or replayed.
    """

    def __init__(self, endpoint: Any, sender: ProbeSender, answered: Callable[[], None]) -> None:
        self.sent = self.answered = self.late = self.forged = 0
        self.bytes_heard = 0
        self._endpoint = endpoint
        self._sender = sender
        self._told = answered
        self._prefix = secrets.token_bytes(endpoint.prefixlen)
        self._nonces: dict[bytes, bool] = {}  # in order; whether an answer is still taken
        self._listener = _listener(endpoint, self._on_packet)

    def attach(self) -> None:
        """Have the endpoint route our prefix to us, and to nobody else.

        Rust endpoints take a prefix only while they are open. A listener to everything would be
        handed our probes as well, and might answer them.
        """
        endpoint = self._endpoint
        with endpoint.listener_update_lock:
            if self._prefix not in endpoint._prefix_map:
                endpoint.add_prefix_listener(self._listener, self._prefix)
            if endpoint._prefix_map[self._prefix] != [self._listener]:
                endpoint._prefix_map[self._prefix] = [self._listener]

    def detach(self) -> None:
        """Leave no trace in the endpoint."""
        endpoint = self._endpoint
        with endpoint.listener_update_lock:
            endpoint._prefix_map.pop(self._prefix, None)
            endpoint.remove_listener(self._listener)

    def send(self, address: Any) -> None:
        """Send a probe to the endpoint, bound to *address*; raises OSError."""
        self.attach()
        nonce = secrets.token_bytes(NONCE)
        self._nonces[nonce] = True
        if len(self._nonces) > OUTSTANDING:
            del self._nonces[next(iter(self._nonces))]
        self._sender.send(address, self._prefix + nonce)
        self.sent += 1

    def expire(self) -> None:
        """Take no answer to the probes sent so far: the endpoint gets another socket."""
        self._nonces = dict.fromkeys(self._nonces, False)

    def _on_packet(self, data: bytes) -> None:
        self.bytes_heard += len(data)
        valid = self._nonces.pop(data[len(self._prefix) :], None)
        if valid is None:
            self.forged += 1
        elif not valid:
            self.late += 1
        else:
            self.answered += 1
            self._told()


_listener_classes: dict[type, Any] = {}


def _listener(endpoint: Any, heard: Callable[[bytes], None]) -> Any:
    """A listener of the IPv8 that the endpoint belongs to, which this module does not import."""
    home = next(filter(None, map(_home, type(endpoint).__mro__)))
    if home not in _listener_classes:
        _listener_classes[home] = _listener_class(home)
    return _listener_classes[home](endpoint, heard)


def _home(cls: type) -> Any:
    """The class EndpointListener that stands beside IPv8's class Endpoint."""
    module = sys.modules.get(cls.__module__) if cls.__name__ == "Endpoint" else None
    return getattr(module, "EndpointListener", None)


def _listener_class(base: Any) -> Any:
    class ProbeListener(base):  # type: ignore[misc]
        def __init__(self, endpoint: Any, heard: Callable[[bytes], None]) -> None:
            # Not the base's: it looks for this machine's addresses, which takes long.
            self.endpoint = endpoint
            self._use_main_thread = True
            self._my_estimated_lan = None
            self._heard = heard

        def on_packet(self, packet: tuple[Any, bytes]) -> None:
            self._heard(packet[1])

    return ProbeListener
