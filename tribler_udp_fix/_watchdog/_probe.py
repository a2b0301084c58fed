"""Probes: datagrams that prove that an endpoint hears, and that only we can make.

A probe goes from a helper socket to the endpoint's own bound address, so that only the endpoint's
receiving is on trial. The helper is bound to that address as well: so no probe can leave the
machine, and where the helper cannot be bound, the address has gone. A probe begins with a secret
random prefix, and goes on with a fresh nonce. Nobody who does not see it can answer for the
endpoint, and nobody can answer twice. The endpoint never replies to it: a reply to a port that has
closed would make the very ICMP error that deafens.
"""

from __future__ import annotations

import errno
import os  # not secrets, which may be a file of the program's
import socket
from typing import Any, Callable

from tribler_udp_fix._asyncio._obstacles import in_words, is_about_the_address
from tribler_udp_fix._asyncio._sockets import family_of, new_socket
from tribler_udp_fix._ipv8._listener import listener

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
_KEPT = ("127.0.0.1", "::1")
PREFIX = 22  # bytes
NONCE = 16
OUTSTANDING = 16  # probes whose nonces are remembered
LINGER = 5.0  # seconds in which a probe that is on its way, on this machine, has come


class AddressGone(Exception):
    """The address of the endpoint is not on this machine; says so in words."""


class ProbeSender:
    """The helper sockets that probes are sent from: each bound to the address that it sends to.

    One of a loopback address is kept. The others may be taken from the machine between two probes,
    and are made anew for each.
    """

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}

    def send(self, address: Any, data: bytes) -> None:
        """Send *data* to where an endpoint bound to *address* receives it.

        An IPv6 *address* may be the socket's own 4-tuple, or a pair. Raises AddressGone where it is
        not on this machine, and else OSError: that proves nothing of the endpoint.
        """
        if not address[1]:
            raise OSError(errno.EADDRNOTAVAIL, "it is not bound to a port yet")
        host = LOOPBACK.get(address[0], address[0])
        try:
            self._send(host, (host, *address[1:]), data)
        except AddressGone as exc:
            if host == address[0]:
                raise
            # Not its own: it may hear others, as one of "::" does without IPv6.
            raise OSError(errno.EADDRNOTAVAIL, f"this machine has no {host}") from exc

    def _send(self, host: str, target: Any, data: bytes) -> None:
        if host not in _KEPT:
            with _helper(target) as sock:
                sock.sendto(data, target)
            return
        try:
            self._socket(target).sendto(data, target)
        except OSError:
            # Its own buffers are full of ICMP errors from an endpoint that is gone, or the like.
            self._close(host)
            self._socket(target).sendto(data, target)

    def close(self) -> None:
        """Close the helper sockets."""
        for host in list(self._sockets):
            self._close(host)

    def _socket(self, target: Any) -> socket.socket:
        host = target[0]
        if host not in self._sockets:
            self._sockets[host] = _helper(target)
        return self._sockets[host]

    def _close(self, host: str) -> None:
        sock = self._sockets.pop(host, None)
        if sock is not None:
            sock.close()


def _helper(target: Any) -> socket.socket:
    try:
        sock = new_socket(family_of(target[0]), ())
        try:
            sock.bind((target[0], 0, *target[2:]))
        except BaseException:  # an interrupt, too, must leave no socket behind
            sock.close()
            raise
    except OSError as exc:
        if is_about_the_address(exc):
            raise AddressGone(in_words(exc, target)) from exc
        raise
    return sock


class Prober:
    """Probes one endpoint. *answered* is called when one of its probes has been heard.

    It counts probes ``sent`` and ``answered``, those heard ``late``, through a socket that has been
    replaced since, and datagrams with our prefix that are no probe of ours, ``forged`` or replayed.
    """

    def __init__(self, prefix: bytes, sender: ProbeSender, answered: Callable[[], None]) -> None:
        self.sent = self.answered = self.late = self.forged = 0
        self._prefix = prefix
        self._sender = sender
        self._told = answered
        self._nonces: dict[bytes, bool] = {}  # in order; whether an answer is still taken

    def attach(self) -> None:
        """Have our probes routed to us, and to nobody else."""

    def detach(self) -> None:
        """Leave no trace in the endpoint."""

    def send(self, address: Any) -> None:
        """Send a probe to the endpoint, bound to *address*; raises OSError."""
        self.attach()
        nonce = os.urandom(NONCE)
        self._nonces[nonce] = True
        if len(self._nonces) > OUTSTANDING:
            del self._nonces[next(iter(self._nonces))]
        self._sender.send(address, self._prefix + nonce)
        self.sent += 1

    def expire(self) -> None:
        """Take no answer to the probes sent so far: the endpoint gets another socket."""
        self._nonces = dict.fromkeys(self._nonces, False)

    def _take(self, data: bytes) -> None:
        valid = self._nonces.pop(data[len(self._prefix) :], None)
        if valid is None:
            self.forged += 1
        elif not valid:
            self.late += 1
        else:
            self.answered += 1
            self._told()


class TransportProber(Prober):
    """Its probes are met in a transport of ours, before the protocol.

    *transport* returns it: an endpoint's owner may open it anew. While no probe is out a datagram
    is compared with nothing. Where *why_not* says why none is sure to reach it, and it alone, such
    as that it is connected, it is made to read again by *rearm* instead: that is no proof, but
    heals what can be healed in place, and costs nothing of what waits.
    """

    def __init__(
        self,
        transport: Callable[[], Any],
        sender: ProbeSender,
        answered: Callable[[], None],
        why_not: Callable[[Any], str],
        rearm: Callable[[], bool],
    ) -> None:
        super().__init__(os.urandom(PREFIX), sender, answered)
        self._transport = transport
        self._why_not = why_not
        self._rearm = rearm
        self._at: Any = None

    def send(self, address: Any) -> None:
        """As every prober; from now on what the transport receives is compared with our prefix.

        Raises OSError, too, having armed the read again, where no probe is sure to reach it.
        """
        transport = self._transport()
        if transport._paused:
            raise OSError(errno.EAGAIN, "its program has paused it")
        why = self._why_not(address)
        if why:
            self._rearm()
            raise OSError(errno.EISCONN, f"{why}; while it is quiet it is made to read again")
        if self._at is not transport:
            self._leave()
            self._at = transport
            transport._probes = (*transport._probes, self)
        super().send(address)

    def detach(self) -> None:
        """Tell nobody of answers any more, but keep what is on its way from the protocol."""
        self._told = lambda: None
        if self._nonces and self._at is not None and not self._at._loop.is_closed():
            self._at._loop.call_later(LINGER, self._leave)  # one that is lost never comes
        else:
            self._leave()

    def takes(self, data: bytes) -> bool:
        """Whether *data* is one of ours: then it is not the protocol's."""
        if not data.startswith(self._prefix):
            return False
        nonce = data[len(self._prefix) :]
        if nonce in self._nonces:
            # Loopback keeps the order: what was sent before this one, and has not come, is lost.
            while next(iter(self._nonces)) != nonce:
                del self._nonces[next(iter(self._nonces))]
        self._take(data)
        if not self._nonces:
            self._leave()
        return True

    def _leave(self) -> None:
        at, self._at = self._at, None
        if at is not None:
            at._probes = tuple(prober for prober in at._probes if prober is not self)


class ListeningProber(Prober):
    """Its probes are met by a listener of IPv8's for their prefix: the Rust endpoint's way.

    ``bytes_heard`` counts what came with our prefix, a probe's or not.
    """

    def __init__(self, endpoint: Any, sender: ProbeSender, answered: Callable[[], None]) -> None:
        super().__init__(os.urandom(endpoint.prefixlen), sender, answered)
        self.bytes_heard = 0
        self._endpoint = endpoint
        self._listener = listener(endpoint, self._on_packet)

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

    def _on_packet(self, _source: Any, data: bytes) -> None:
        self.bytes_heard += len(data)
        self._take(data)
