"""What a network, or a peer, can do to datagrams: lose them, delay them, double them."""

from __future__ import annotations

import contextlib
import random
import socket
import sys
from typing import Any, Callable, Iterator

from tribler_udp_fix._arguments import check_number
from tribler_udp_fix.testing._targets import is_over, transports_of

Send = Callable[[Any, Any], None]
# Is given how to send on, the datagram and its destination, and does so, or not.
Hop = Callable[[Send, Any, Any], None]


class LossyNetwork:
    """What ``lossy_network()`` yields. ``sent``, and ``lost`` of them: counts of datagrams."""

    def __init__(self) -> None:
        self.sent = 0
        self.lost = 0


@contextlib.contextmanager
def lossy_network(endpoint: Any, share: float = 0.1, seed: int = 0) -> Iterator[LossyNetwork]:
    """Of what *endpoint* sends, the *share* is lost on the way: 0 none, 1 all.

    Which datagrams those are, *seed* decides, the same ones each time. *endpoint* is one of IPv8's,
    or a datagram transport of asyncio's; for a network that loses both ways, enter it for both.

    Raises FaultUnavailable for another endpoint, TypeError or ValueError for another *share*.
    """
    check_number("share", share, "a number from 0 to 1", lambda given: 0 <= given <= 1)
    chance = random.Random(seed)
    network = LossyNetwork()

    def lose_some(send: Send, data: Any, address: Any) -> None:
        network.sent += 1
        if chance.random() < share:
            network.lost += 1
        else:
            send(data, address)

    with _sending_through(endpoint, lambda _transport: lose_some):
        yield network


@contextlib.contextmanager
def silent_peer(endpoint: Any) -> Iterator[None]:
    """*endpoint* is a peer that has left without a word: it neither hears nor sends.

    Its socket stays open, so that nobody earns an ICMP error; ``departed_peer()`` makes those.
    What it is sent meanwhile is lost.

    Raises FaultUnavailable where *endpoint* is neither one of IPv8's nor asyncio's transport.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_sending_through(endpoint, lambda _transport: _lose))
        for transport in transports_of(endpoint):
            stack.enter_context(_hearing_nothing(transport))
        yield


@contextlib.contextmanager
def late_answers(endpoint: Any, seconds: float) -> Iterator[None]:
    """What *endpoint* sends leaves *seconds* later, in order, also after the end of the block.

    Raises FaultUnavailable where *endpoint* is neither one of IPv8's nor asyncio's transport,
    TypeError or ValueError where *seconds* are no number from 0.
    """
    longest = sys.float_info.max  # a larger whole number fails only when something is sent
    allowed = "a number of seconds from 0"
    check_number("seconds", seconds, allowed, lambda given: 0 <= given <= longest)

    def later(transport: Any) -> Hop:
        def wait(send: Send, data: Any, address: Any) -> None:
            def send_now() -> None:
                if not is_over(transport):
                    send(data, address)

            data = bytes(data)  # a copy: whoever sends may reuse a bytearray
            transport._loop.call_later(seconds, send_now)

        return wait

    with _sending_through(endpoint, later):
        yield


@contextlib.contextmanager
def repeated_answers(endpoint: Any) -> Iterator[None]:
    """Each datagram that *endpoint* sends is sent twice.

    Raises FaultUnavailable where *endpoint* is neither one of IPv8's nor asyncio's transport.
    """

    def twice(send: Send, data: Any, address: Any) -> None:
        send(data, address)
        send(data, address)

    with _sending_through(endpoint, lambda _transport: twice):
        yield


@contextlib.contextmanager
def answers_from_elsewhere(endpoint: Any) -> Iterator[None]:
    """What *endpoint* sends leaves from another port, as where a NAT has forgotten it.

    Raises FaultUnavailable where *endpoint* is neither one of IPv8's nor asyncio's transport.
    """
    with contextlib.ExitStack() as stack:

        def elsewhere(transport: Any) -> Hop:
            host, *_ = transport.get_extra_info("sockname")
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            sock = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            sock.bind((host, 0))

            def send_from_it(_send: Send, data: Any, address: Any) -> None:
                sock.sendto(data, address)

            return send_from_it

        stack.enter_context(_sending_through(endpoint, elsewhere))
        yield


def _lose(_send: Send, _data: Any, _address: Any) -> None:
    pass


@contextlib.contextmanager
def _sending_through(endpoint: Any, make: Callable[[Any], Hop]) -> Iterator[None]:
    """Have what *endpoint* sends go through one hop more, of each of its transports."""
    with contextlib.ExitStack() as stack:
        for transport in transports_of(endpoint):
            stack.enter_context(_through(transport, make(transport)))
        yield


@contextlib.contextmanager
def _through(transport: Any, hop: Hop) -> Iterator[None]:
    way = getattr(vars(transport).get("sendto"), "__self__", None)
    if not isinstance(way, _Way):
        way = _Way(transport)
    way.hops.append(hop)
    try:
        yield
    finally:
        way.hops.remove(hop)
        if not way.hops and getattr(vars(transport).get("sendto"), "__self__", None) is way:
            del transport.sendto


class _Way:
    """What a transport sends through: the newest hop first."""

    def __init__(self, transport: Any) -> None:
        self.hops: list[Hop] = []
        self._transport = transport
        transport.sendto = self.send

    def send(self, data: Any, addr: Any = None) -> None:
        self._send(tuple(self.hops), data, addr)

    def _send(self, hops: tuple[Hop, ...], data: Any, addr: Any) -> None:
        if hops:
            hops[-1](lambda data, addr: self._send(hops[:-1], data, addr), data, addr)
        else:
            type(self._transport).sendto(self._transport, data, addr)


@contextlib.contextmanager
def _hearing_nothing(transport: Any) -> Iterator[None]:
    protocol = transport.get_protocol()
    deaf = _DeafProtocol(protocol)
    transport.set_protocol(deaf)
    try:
        yield
    finally:
        if not is_over(transport) and transport.get_protocol() is deaf:
            transport.set_protocol(protocol)


class _DeafProtocol:
    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    def datagram_received(self, _data: bytes, _address: Any) -> None:
        """Hear nothing."""
