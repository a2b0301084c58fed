"""A network interface, or adapter, by its name: its addresses, and sockets that keep to it.

What a socket sends leaves by the way that the system chooses for where it goes, whatever address
it is bound to. IP_UNICAST_IF, of Windows and Linux alike, has it leave by the one interface, or not
at all. But to Linux it is no more than a wish where a socket is IPv6's, and before 6.1 nothing
where it is connected: such a socket is bound to the device.
"""

from __future__ import annotations

import errno
import socket
import sys
from typing import Any, Iterable, NamedTuple

if sys.platform == "win32":
    _UNICAST_IF = {socket.AF_INET: (0, 31), socket.AF_INET6: (41, 31)}
else:
    _UNICAST_IF = {socket.AF_INET: (0, 50), socket.AF_INET6: (41, 76)}

# Linux 5.1, without privileges 5.7; Python has no name for it before 3.14.
_BIND_TO_INTERFACE = 62

_FAMILIES: dict[int, str] = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}


class NoInterface(OSError):
    """The interface is not there, or has no address of that family; says so in words."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EADDRNOTAVAIL, why)

    def __str__(self) -> str:
        return str(self.args[1])


class Place(NamedTuple):
    """Where an interface is: its index, ``number``, and the hosts to be bound to, best first."""

    number: int
    hosts: tuple[str, ...]

    def nearest(self, host: str) -> str:
        """*host*, where it is one of them, else the best."""
        return host if host in self.hosts else self.hosts[0]


class Interface:
    """One interface: *name* is as the system shows it; on Windows its GUID will do, too.

    Whether there is one of that name is seen when it is used: it may come later.
    """

    def __init__(self, name: str) -> None:
        self.name = name.strip()

    @classmethod
    def named(cls, name: str) -> Interface | None:
        """That of this *name*; None where it is blank."""
        return cls(name) if name.strip() else None

    def place(self, family: int) -> Place:
        """Where it is now, for sockets of that *family*; raises NoInterface."""
        try:
            found = self._place(family)
        except NoInterface:
            raise
        # A frozen program may have no ctypes; a name with a null byte is a ValueError.
        except (OSError, ImportError, ValueError) as exc:
            why = f"its adapter {self.name} cannot be looked up: {exc}"
            raise NoInterface(why) from exc
        if not found.hosts:
            raise NoInterface(f"its adapter {self.name} has no {_FAMILIES[family]} address")
        return found

    def has(self, sock: socket.socket) -> bool:
        """Whether *sock* keeps to an interface, be it one that has gone."""
        try:
            return _number_of(sock) != 0
        except OSError:  # a system, or a sandbox, without the option
            return False

    def keeps(self, sock: socket.socket) -> bool:
        """Whether the bound *sock* is where the interface is now; so where nobody knows that."""
        try:
            place = self.place(sock.family)
            host = sock.getsockname()[0].partition("%")[0]
            return host in place.hosts and _number_of(sock) == place.number
        except OSError:
            return True

    def take(self, sock: socket.socket, address: Any, connects: bool = False) -> Any:
        """Have *sock* send by this interface alone; returns where to bind it.

        That is the host of *address* where it is one of the interface's, else its best, at the port
        of *address*. One that *connects* is to hear one peer alone, of another machine. Raises
        NoInterface, and OSError where the system refuses.
        """
        place = self.place(sock.family)
        level, option = _UNICAST_IF[socket.AddressFamily(sock.family)]
        sock.setsockopt(level, option, _as_option(sock.family, place.number))
        # Unconnected IPv4 would then hear nothing from this machine, no probe either: Linux has
        # that come by the loopback interface, and IPv6 by that of the address.
        if sys.platform == "linux" and (connects or sock.family == socket.AF_INET6):
            sock.setsockopt(socket.SOL_SOCKET, _BIND_TO_INTERFACE, place.number)
        more = (0, 0) if sock.family == socket.AF_INET6 else ()
        return (place.nearest(address[0]), *address[1:2], *more)

    def _place(self, family: int) -> Place:
        if sys.platform == "win32":
            from tribler_udp_fix._asyncio._iphlpapi import adapters

            known = adapters()
            numbers = [one.number6 if family == socket.AF_INET6 else one.number for one in known]
            places = [
                Place(number, _best(family, one.hosts))
                for number, one in zip(numbers, known)
                if _is_called(one, self.name.casefold())
            ]
            if not places:
                raise self._unknown(one.name for one in known)
            # One that has gone may be listed still, beside that of the same name which came.
            return max(places, key=lambda place: len(place.hosts))
        if sys.platform == "linux":
            from tribler_udp_fix._asyncio import _netlink

            try:
                number = socket.if_nametoindex(self.name)
            except OSError:
                raise self._unknown(name for _, name in socket.if_nameindex()) from None
            hosts = [one for one in _netlink.addresses() if one.interface == number]
            return Place(number, _best(family, hosts))
        raise NoInterface("bind_interface is for Windows and Linux: nothing is sent")

    def _unknown(self, known: Iterable[str]) -> NoInterface:
        names = ", ".join(sorted(known))
        return NoInterface(f"its adapter {self.name} is not on this machine, which has {names}")


def _is_called(adapter: Any, name: str) -> bool:
    guid = adapter.guid.casefold()
    return name in (adapter.name.casefold(), guid, guid.strip("{}"))


def _best(family: int, hosts: Iterable[Any]) -> tuple[str, ...]:
    usable = [one for one in hosts if one.usable and one.family == family]
    return tuple([one.host for one in sorted(usable, key=lambda one: not one.preferred)])


def _as_option(family: int, number: int) -> int:
    """The *number* as the option takes it: only Windows' for IPv6 is in the host's byte order."""
    own_order = sys.platform == "win32" and family == socket.AF_INET6
    value = number if own_order else socket.htonl(number)
    return value - (1 << 32) if value >= 1 << 31 else value


def _number_of(sock: socket.socket) -> int:
    level, option = _UNICAST_IF[socket.AddressFamily(sock.family)]
    value = sock.getsockopt(level, option) & 0xFFFFFFFF
    own_order = sys.platform == "win32" and sock.family == socket.AF_INET6
    return value if own_order else socket.ntohl(value)
