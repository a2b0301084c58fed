"""What the machine does to a watchdog: it sleeps, and it gets other addresses."""

from __future__ import annotations

import contextlib
import ipaddress
import reprlib
import sys
from typing import Any, Iterator, cast

from tribler_udp_fix._arguments import check_number, shown
from tribler_udp_fix._watchdog._addresses import Addresses
from tribler_udp_fix._watchdog._clocks import JUMP
from tribler_udp_fix._watchdog._surroundings import Surroundings
from tribler_udp_fix._watchdog._watchdog import running
from tribler_udp_fix.testing._targets import FaultUnavailable

# Of the documentation's networks (RFC 5737, RFC 3849): no machine's own.
_ELSEWHERE: Addresses = ("198.51.100.7", "2001:db8:7::7")

_LONGEST = sys.float_info.max  # seconds; from a jump without end no clock comes back


@contextlib.contextmanager
def clock_jump(seconds: float = 3600.0) -> Iterator[None]:
    """The wall clock jumped by *seconds*, as after sleep, for every watchdog that runs now.

    Each sees it once, at its next tick. Neither the machine's clock nor ``time.time()`` changes for
    anybody. What has not been seen at the end never will. On every event loop and system.

    Not imitated: what sleep does to sockets; see ``lost_completion()``. Timers are not late.

    Raises FaultUnavailable where no watchdog runs, TypeError where *seconds* are no number,
    ValueError where they are fewer than what a watchdog takes for somebody's setting the clock: 2,
    forwards or backwards.
    """
    allowed = f"a number of seconds, {JUMP} or more, or {-JUMP} or less"
    check_number("seconds", seconds, allowed, lambda given: JUMP <= abs(given) <= _LONGEST)
    jumped = []
    for around in _surroundings():
        clock = around.sleep_clock
        clock._offset -= seconds
        jumped.append((clock, clock._offset, clock._offset + seconds))
    try:
        yield
    finally:
        for clock, offset, before in jumped:
            if clock._offset == offset:
                clock._offset = before


@contextlib.contextmanager
def changed_addresses(addresses: Addresses = _ELSEWHERE) -> Iterator[None]:
    """The machine has other addresses, for every watchdog that runs now.

    They look at once, and tell of it when the addresses have stayed for a second, as they do of
    real ones; at the end the machine has its own again, of which nothing is told. *addresses* are
    the ones that the system would send from, IPv4 and IPv6, "" where there is none. On every event
    loop and system.

    Not imitated: a change of the real addresses. Sockets stay bound to what they were.

    Raises FaultUnavailable where no watchdog runs, TypeError or ValueError for what are no
    addresses.
    """
    addresses = _checked(addresses)
    changed = []
    for around in _surroundings():
        watch = around.addresses
        changed.append((watch, watch._look))
        watch._look = lambda: addresses
        watch._looked = float("-inf")
    try:
        yield
    finally:
        for watch, look in changed:
            watch._look = look
            watch._known = watch._seen = look()


def _checked(addresses: Any) -> Addresses:
    """*addresses*, if they are such as a machine can have."""
    told = shown(addresses, reprlib.repr)
    text = f'addresses={told}: allowed is a tuple of IPv4 and IPv6 addresses, "" for none'
    if not isinstance(addresses, (tuple, list)):
        raise TypeError(text)
    for address in addresses:
        if not isinstance(address, str):
            raise TypeError(text)
        try:
            if address:
                ipaddress.ip_address(address.partition("%")[0])  # Python 3.8 knows no scopes
        except ValueError:
            raise ValueError(text) from None
    return tuple(addresses)


def _surroundings() -> set[Surroundings]:
    """What the running watchdogs look at: one for each event loop."""
    found = {watchdog._around for watchdog in list(running)} - {None}
    if not found:
        raise FaultUnavailable("no watchdog runs that could see it: start one first")
    return cast("set[Surroundings]", found)
