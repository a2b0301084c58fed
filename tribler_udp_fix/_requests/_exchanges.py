"""The requests of one community that have no answer yet, and their resends."""

from __future__ import annotations

import asyncio
import collections
import random
import secrets
import socket
import weakref
from typing import Any, Callable, Tuple

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._ipv8._leaves import leaves
from tribler_udp_fix._ipv8._rust_gap import RustGap
from tribler_udp_fix._requests._errors import EndpointClosed, PeerGone, RequestTimeout
from tribler_udp_fix._requests._gone import IsGone
from tribler_udp_fix._requests._timing import (
    MAX_WAIT,
    RESENDS,
    Budget,
    RoundTrip,
    Schedule,
    StoppableClock,
)

LOOK = 0.25  # seconds between two looks whether the own endpoint has a socket
MAX_STANDSTILL = 30.0  # seconds without a socket that are added to a request's time-out
MAX_PEERS = 1000  # whose answering times are remembered

Failed = Callable[[BaseException], None]
Source = Tuple[Any, ...]  # the key of a signed answer, the address of another


def source_of(peer_or_address: Any) -> Source:
    """Whom an answer is from, or is to be from: a ``Peer``, or an address where it is unsigned."""
    if hasattr(peer_or_address, "public_key"):
        return (peer_or_address.public_key.key_to_bin(),)
    return tuple(peer_or_address)


class Line:
    """What is known of one peer, for all requests to it."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.round_trip = RoundTrip()
        self.open = 0
        # Whose resend is not answered yet. Those that are due meanwhile wait for their turn.
        self.resending: Exchange | None = None
        # In order; a dictionary, since each that ends is taken out, wherever it stands.
        self.waiting: collections.OrderedDict[Exchange, None] = collections.OrderedDict()
        # Numbers for requests. Each of the 65,536 has its turn before one comes again, so that
        # nobody takes a new request for an old one; where they begin, and how they go on, is this
        # peer's alone, so that no other can guess them.
        self._number, self._step = secrets.randbits(16), secrets.randbits(16) | 1

    def next_number(self) -> int:
        """An identifier of 16 bits that was not used for long."""
        self._number = (self._number + self._step) & 0xFFFF
        return self._number


class Exchanges:
    """Those of one community: what they share is their resends' budget, clocks and peers."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = weakref.ref(endpoint)  # which holds the community, the key of this
        self.loop = asyncio.get_running_loop()
        self.budget = Budget()
        self._lines: dict[bytes, Line] = {}
        # Those of peers that are not asked now: the one that was used last comes last.
        self._idle: collections.OrderedDict[bytes, None] = collections.OrderedDict()
        self._clocks = {False: StoppableClock(), True: StoppableClock()}  # by whether it is IPv6
        self._open: set[Exchange] = set()
        self._looking: asyncio.TimerHandle | None = None
        # To find these takes as long as to sign half of a datagram, for each of five times that a
        # request asks for the time: so they are looked for from time to time.
        self._sockets: list[weakref.ref[Any]] = []
        self._found = float("-inf")

    @property
    def endpoint(self) -> Any:
        """The community's, which holds it; None once both are gone."""
        return self._endpoint()

    @property
    def is_open(self) -> bool:
        """Whether the endpoint is there, and open."""
        endpoint = self.endpoint
        return endpoint is not None and endpoint.is_open()

    def line(self, peer: Any) -> Line:
        """What is known of *peer*. While requests to it are open, it is not forgotten."""
        key = peer.public_key.key_to_bin()
        line = self._lines.get(key)
        if line is None:
            self._forget_idle(MAX_PEERS - 1)
            line = self._lines[key] = Line(key)
            self._idle[key] = None
        return line

    def begin(self, line: Line) -> None:
        """One request more is open."""
        line.open += 1
        self._idle.pop(line.key, None)

    def end(self, line: Line) -> None:
        """One less is."""
        line.open -= 1
        if not line.open:
            self._idle[line.key] = None
            self._forget_idle(MAX_PEERS)

    def _forget_idle(self, most: int) -> None:
        while self._idle and len(self._lines) > most:
            del self._lines[self._idle.popitem(last=False)[0]]

    def time(self, ipv6: bool) -> float:
        """The time, in seconds, which stands still while there is no socket of this family."""
        return self._clocks[ipv6].read(self.loop.time(), not self.has_socket(ipv6))

    def has_socket(self, ipv6: bool) -> bool:
        """Whether what is sent can leave, as far as that is known."""
        now = self.loop.time()
        if now >= self._found + LOOK:
            self._found = now
            behind = leaves(self.endpoint)
            self._sockets = [weakref.ref(leaf) for leaf in behind.udp + behind.rust]
        return not any(
            leaf is not None and _lacks_socket(leaf, ipv6)
            for leaf in (found() for found in self._sockets)
        )

    def add(self, exchange: Exchange) -> None:
        """Look after it until it is removed."""
        self._open.add(exchange)
        if self._looking is None:
            self._look()

    def remove(self, exchange: Exchange) -> None:
        """It has ended."""
        self._open.discard(exchange)
        if not self._open and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _look(self) -> None:
        self._looking = self.loop.call_later(LOOK, self._look)
        if not self.is_open:
            for exchange in list(self._open):
                exchange.fail(EndpointClosed("the endpoint was closed", exchange.attempts))
            return
        for ipv6 in self._clocks:
            self.time(ipv6)
        for exchange in list(self._open):
            exchange.look()


def _lacks_socket(leaf: Any, ipv6: bool) -> bool:
    rust_object = getattr(leaf, "rust_ep", None)
    if rust_object is None:
        is_of_family = (leaf.SOCKET_FAMILY == socket.AF_INET6) is ipv6
        return is_of_family and not getattr(leaf._transport, "has_socket", True)
    return isinstance(rust_object, RustGap) and (":" in rust_object.address[0]) is ipv6


_exchanges: weakref.WeakKeyDictionary[Any, Exchanges] = weakref.WeakKeyDictionary()


def exchanges_of(community: Any) -> Exchanges:
    """Those of *community*, on the event loop that runs."""
    found = _exchanges.get(community)
    if found is None or found.loop is not asyncio.get_running_loop():
        found = _exchanges[community] = Exchanges(community.endpoint)
    return found


class Exchange:
    """One request: a datagram that is sent until it is answered, fails, or is given up."""

    def __init__(
        self,
        exchanges: Exchanges,
        peer: Any,
        source: Source,
        packet: bytes,
        timeout: float,
        is_gone: IsGone,
        failed: Failed | None = None,
        resend: bool = True,
        stands: Callable[[], object] | None = None,
    ) -> None:
        self.attempts = 0
        self.peer = peer
        self.source = source  # who may answer
        self.address = peer.address
        self._all = exchanges
        self._line = exchanges.line(peer)
        self._packet = packet
        self._timeout = timeout
        self._failed = failed
        self._stands = stands  # is called once, where its time-out has to stand still
        self._is_gone = is_gone
        self._resend = resend
        self._ipv6 = ":" in str(self.address[0])
        self._began = exchanges.loop.time()
        self._sent = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._gives_way = False
        self._last: float | None = None
        self._schedule = self._scheduled()
        exchanges.begin(self._line)  # last: whatever raises before has begun nothing

    def start(self) -> None:
        """Send it, or wait for a socket to send it from; raises what sending raises."""
        self._all.add(self)
        self._go_on()

    @property
    def left(self) -> float:
        """Seconds until it has timed out, unless its clock stands still; 0 or less where it has."""
        longest = self._began + self._timeout + MAX_STANDSTILL - self._all.loop.time()
        return min(self._schedule.deadline - self._all.time(self._ipv6), longest)

    def look(self) -> None:
        """Do what became possible, and tell whose own time-out is to stand still, where it does."""
        self._take_turns()
        if self._ended or self._stands is None:
            return
        if not self._all.has_socket(self._ipv6):
            stands, self._stands = self._stands, None
            stands()

    def answered(self) -> None:
        """The answer has come."""
        if self.attempts == 1 and not self._ended:
            self._line.round_trip.measure(self._all.loop.time() - self._sent)
        self.end()

    def fail(self, exc: BaseException) -> None:
        """End it, and tell who asked, if that is to be told."""
        if not self._ended:
            self.end()
            if self._failed is not None:
                self._failed(exc)

    def end(self) -> None:
        """Send it no more, and let the next one to this peer be sent again."""
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._all.remove(self)
        self._all.end(self._line)
        self._line.waiting.pop(self, None)
        self._give_way()

    def _give_way(self) -> None:
        """Let the next one to this peer be sent again."""
        if self._line.resending is self:
            self._line.resending = None
            self._take_turns()

    def _take_turns(self) -> None:
        """Send again who has waited longest for that, if it is anybody's turn."""
        line = self._line
        while line.waiting and line.resending is None:
            other = next(iter(line.waiting))
            if not other._all.has_socket(other._ipv6):
                break  # look() goes on when there is one
            del line.waiting[other]
            other._send_again()
            if line.resending is other:
                other._wait_for_next(other._all.time(other._ipv6))

    def _scheduled(self) -> Schedule:
        wait = self._line.round_trip.wait
        resends = RESENDS if self._resend else 0
        now = self._all.time(self._ipv6)
        return Schedule(now, self._timeout, wait, random.random(), resends)

    def _on_time(self) -> None:
        try:
            self._go_on()
        except Exception as exc:  # of the endpoint, or of is_gone: nobody else would tell
            self.fail(exc)

    def _go_on(self) -> None:
        """Do what is due by now, and come again when the next thing is."""
        now = self._all.time(self._ipv6)
        if self.left <= 0:
            what = f"{self.peer} did not answer, asked {self.attempts} times"
            self.fail(RequestTimeout(what, self.attempts))
        elif not self._all.has_socket(self._ipv6):
            self._wait(LOOK)
        elif not self.attempts:
            self._schedule = self._scheduled()
            self._sent = self._all.loop.time()
            self._all.budget.earn()
            self._send()
            self._wait_for_next(now)
        else:
            if self._schedule.is_due(now):
                self._send_in_turn()
            elif self._gives_way:  # its last resend has not been answered either
                self._give_way()
            self._wait_for_next(now)

    def _wait_for_next(self, now: float) -> None:
        at = self._schedule.resend_at
        self._gives_way = at is None and self._line.resending is self
        if self._gives_way and self._last is None:
            self._last = now + MAX_WAIT
        if at is None:
            at = self._schedule.deadline
            if self._gives_way and self._last is not None:
                at = min(at, self._last)
        self._wait(max(0.0, at - now))

    def _wait(self, seconds: float) -> None:
        if not self._ended:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._all.loop.call_later(seconds, self._on_time)

    def _send_in_turn(self) -> None:
        if self._line.resending is self:
            self._send_again()
        else:
            self._line.waiting.setdefault(self)
            self._take_turns()

    def _send_again(self) -> None:
        """Send it once more, if it is not too late and there may be a resend."""
        if self._ended or self._schedule.is_late(self._all.time(self._ipv6)):
            return
        try:
            self._try_again()
        except Exception as exc:  # of the program's endpoint, or is_gone: it is the request's
            self.fail(exc)

    def _try_again(self) -> None:
        if not self._all.is_open:  # which pyipv8's send() does not mind
            self.fail(EndpointClosed("the endpoint was closed", self.attempts))
        elif self._is_gone(self.peer):
            self.fail(PeerGone(f"{self.peer} is gone", self.attempts))
        elif not self._all.budget.spend():
            COUNTERS.add("requests_not_resent")
        else:
            self._line.resending = self
            self._line.round_trip.back_off()
            COUNTERS.add("requests_resent")
            self._send()

    def _send(self) -> None:
        self.attempts += 1
        try:
            self._all.endpoint.send(self.address, self._packet)
        except Exception as exc:
            if self._all.endpoint.is_open():
                raise
            raise EndpointClosed("the endpoint was closed", self.attempts - 1) from exc
