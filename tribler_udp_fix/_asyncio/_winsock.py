"""The Winsock calls that Python's socket module does not offer, with their signatures."""

from __future__ import annotations

import ctypes
import socket
import sys

assert sys.platform == "win32"

# Python's socket.ioctl() refuses every code but three, so these go through WSAIoctl itself.
SIO_UDP_CONNRESET = 0x9800000C  # _WSAIOW(IOC_VENDOR, 12): port unreachable
SIO_UDP_NETRESET = 0x9800000F  # _WSAIOW(IOC_VENDOR, 15): time to live expired
_SWITCHES = {"SIO_UDP_CONNRESET": SIO_UDP_CONNRESET, "SIO_UDP_NETRESET": SIO_UDP_NETRESET}

_DWORD = ctypes.c_uint32
_WSAIoctl = ctypes.WinDLL("ws2_32", use_last_error=True).WSAIoctl
_WSAIoctl.restype = ctypes.c_int
_WSAIoctl.argtypes = (
    ctypes.c_size_t,  # SOCKET s
    _DWORD,  # dwIoControlCode
    ctypes.c_void_p,  # lpvInBuffer
    _DWORD,  # cbInBuffer
    ctypes.c_void_p,  # lpvOutBuffer
    _DWORD,  # cbOutBuffer
    ctypes.POINTER(_DWORD),  # lpcbBytesReturned
    ctypes.c_void_p,  # lpOverlapped
    ctypes.c_void_p,  # lpCompletionRoutine
)


def switch_icmp_errors(sock: socket.socket, *, on: bool) -> dict[str, int]:
    """Ask Windows to report ICMP errors on the UDP socket *sock*, or to keep them to itself.

    Returns the outcome of each of the two switches, by its name: 0, or the Winsock error with
    which it was refused. Older Windows has only one of them, and Wine accepts and ignores both.
    Source: Microsoft, "Winsock IOCTLs".
    """
    value, returned = _DWORD(on), _DWORD()
    outcome = {}
    for name, code in _SWITCHES.items():
        failed = _WSAIoctl(
            sock.fileno(), code, ctypes.byref(value), ctypes.sizeof(value),
            None, 0, ctypes.byref(returned), None, None,
        )  # fmt: skip
        outcome[name] = ctypes.get_last_error() if failed else 0
    return outcome
