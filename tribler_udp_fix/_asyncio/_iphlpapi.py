"""What Windows says of the machine's network adapters: asked, and as their addresses change.

Structures and constants are those of Microsoft's iphlpapi reference: GetAdaptersAddresses,
NotifyUnicastIpAddressChange and NotifyIpInterfaceChange.
"""

from __future__ import annotations

import ctypes
import socket
import sys
from typing import Any, Callable, Iterator, NamedTuple

assert sys.platform == "win32"

_u32, _pointer = ctypes.c_uint32, ctypes.c_void_p

_SKIPPED = 0x2 | 0x4 | 0x8  # GAA_FLAG_SKIP_ANYCAST, _MULTICAST, _DNS_SERVER
_BUFFER = 15_000  # bytes, as Microsoft recommends; more where it says so
_TRIES = 3  # adapters may come between two calls
_OVERFLOW, _NO_DATA = 111, 232  # ERROR_BUFFER_OVERFLOW, ERROR_NO_DATA
_DEPRECATED, _PREFERRED = 3, 4  # NL_DAD_STATE: what is tried out, or a duplicate, is less
_DELETED, _INITIAL = 2, 3  # MIB_NOTIFICATION_TYPE: MibDeleteInstance, MibInitialNotification


class _SocketAddress(ctypes.Structure):  # SOCKET_ADDRESS
    _fields_ = (("sockaddr", _pointer), ("length", ctypes.c_int))


class _Unicast(ctypes.Structure):  # IP_ADAPTER_UNICAST_ADDRESS_LH, up to what is read
    _fields_ = (
        ("length", _u32),
        ("flags", _u32),
        ("next", _pointer),
        ("address", _SocketAddress),
        ("prefix_origin", ctypes.c_int),
        ("suffix_origin", ctypes.c_int),
        ("dad_state", ctypes.c_int),
    )


class _Adapter(ctypes.Structure):  # IP_ADAPTER_ADDRESSES_LH, up to what is read
    _fields_ = (
        ("length", _u32),
        ("index", _u32),
        ("next", _pointer),
        ("guid", ctypes.c_char_p),
        ("unicast", _pointer),
        ("anycast", _pointer),
        ("multicast", _pointer),
        ("dns_servers", _pointer),
        ("dns_suffix", ctypes.c_wchar_p),
        ("description", ctypes.c_wchar_p),
        ("friendly_name", ctypes.c_wchar_p),
        ("physical_address", ctypes.c_ubyte * 8),
        ("physical_address_length", _u32),
        ("flags", _u32),
        ("mtu", _u32),
        ("type", _u32),
        ("status", ctypes.c_int),
        ("index6", _u32),
    )


_library = ctypes.WinDLL("iphlpapi")
_GetAdaptersAddresses = _library.GetAdaptersAddresses
_GetAdaptersAddresses.restype = _u32
_GetAdaptersAddresses.argtypes = (_u32, _u32, _pointer, _pointer, ctypes.POINTER(_u32))

_Callback = ctypes.WINFUNCTYPE(None, _pointer, _pointer, ctypes.c_int)
_REGISTER = (ctypes.c_uint16, _Callback, _pointer, ctypes.c_uint8, ctypes.POINTER(_pointer))
_NotifyUnicastIpAddressChange = _library.NotifyUnicastIpAddressChange
_NotifyIpInterfaceChange = _library.NotifyIpInterfaceChange
_CancelMibChangeNotify2 = _library.CancelMibChangeNotify2
for _function in (_NotifyUnicastIpAddressChange, _NotifyIpInterfaceChange):
    _function.restype = _u32
    _function.argtypes = _REGISTER
_CancelMibChangeNotify2.restype = _u32
_CancelMibChangeNotify2.argtypes = (_pointer,)


class Host(NamedTuple):
    """One address of an adapter: ``usable`` by a socket, and ``preferred`` for new ones."""

    host: str
    family: int
    usable: bool
    preferred: bool


class Adapter(NamedTuple):
    """One adapter: the name that Windows shows, its GUID in braces, its two indices."""

    name: str
    guid: str
    number: int
    number6: int
    hosts: tuple[Host, ...]


def adapters() -> list[Adapter]:
    """Every network adapter; raises OSError. It takes Windows some milliseconds."""
    size = _u32(_BUFFER)
    for _ in range(_TRIES):
        buffer = ctypes.create_string_buffer(size.value)
        error = _GetAdaptersAddresses(socket.AF_UNSPEC, _SKIPPED, None, buffer, ctypes.byref(size))
        if error != _OVERFLOW:
            break
    if error == _NO_DATA:
        return []
    if error:
        raise ctypes.WinError(error)
    return list(_adapters(ctypes.addressof(buffer)))


def _adapters(at: int | None) -> Iterator[Adapter]:
    while at:
        one = _Adapter.from_address(at)
        guid = (one.guid or b"").decode("ascii", "replace")
        number6 = one.index6 or one.index  # the same as a rule; Wine has the one alone
        yield Adapter(one.friendly_name or "", guid, one.index, number6, tuple(_hosts(one.unicast)))
        at = one.next


def _hosts(at: int | None) -> Iterator[Host]:
    while at:
        one = _Unicast.from_address(at)
        found = _host(ctypes.string_at(one.address.sockaddr, one.address.length))
        if found is not None:
            host, family = found
            # Of IPv6, fe80::/10 is of the link alone.
            local = family == socket.AF_INET6 and host[:3] in ("fe8", "fe9", "fea", "feb")
            usable = one.dad_state in (_DEPRECATED, _PREFERRED) and not local
            yield Host(host, family, usable, one.dad_state == _PREFERRED)
        at = one.next


def _host(sockaddr: bytes) -> tuple[str, int] | None:
    """The host and the family of a ``sockaddr``, of which Windows may have more kinds."""
    family = int.from_bytes(sockaddr[:2], "little")
    if family == socket.AF_INET:
        return socket.inet_ntop(family, sockaddr[4:8]), family
    if family == socket.AF_INET6:
        return socket.inet_ntop(family, sockaddr[8:24]), family
    return None


Told = Callable[[str, bool], object]


class Registration:
    """Calls *told* with each address that comes (True) or goes (False), from a thread of Windows'.

    *moved* is called when an adapter has changed otherwise. Either must return at once, raise
    nothing, and not end this. Raises OSError where Windows refuses.
    """

    def __init__(self, told: Told, moved: Callable[[], object]) -> None:
        self._told = told
        self._moved = moved
        # Windows calls them until they are cancelled: so long they must not be collected.
        self._on_address = _Callback(self._address_changed)
        self._on_interface = _Callback(self._interface_changed)
        self._handles: list[Any] = []
        try:
            self._register(_NotifyUnicastIpAddressChange, self._on_address)
            self._register(_NotifyIpInterfaceChange, self._on_interface)
        except BaseException:  # an interrupt, too, must leave Windows nobody to call
            self.cancel()
            raise

    def _register(self, function: Any, callback: Any) -> None:
        handle = _pointer()
        error = function(socket.AF_UNSPEC, callback, None, 0, ctypes.byref(handle))
        if error:
            raise ctypes.WinError(error)
        self._handles.append(handle)

    def cancel(self) -> None:
        """Hear no more; waits until a call that is under way has ended."""
        while self._handles:
            _CancelMibChangeNotify2(self._handles.pop())

    def _address_changed(self, _context: Any, row: int | None, kind: int) -> None:
        if row and kind != _INITIAL:
            # MIB_UNICASTIPADDRESS_ROW begins with the address, a SOCKADDR_INET.
            found = _host(ctypes.string_at(row, 28))
            if found is not None:
                self._told(found[0], kind != _DELETED)

    def _interface_changed(self, _context: Any, _row: int | None, kind: int) -> None:
        if kind != _INITIAL:
            self._moved()
