"""What a failed receive means, as tables.

Windows has two numbers for one cause. WSARecvFrom, when it fails at once, speaks Winsock
(10054); the completion of a receive that was waiting speaks Win32 (1234). A program should not
have to know which of the two it met, so both become the Winsock number, which is what
SelectorEventLoop reports.

What each number asks for follows from where it comes from, not from its text:

- an ICMP message, a full buffer or a network that is down says nothing about the socket:
  *transient*, the next receive may well succeed;
- ERROR_OPERATION_ABORTED is the echo of our own cancellation: *ours*;
- WSAEINVAL on a socket that was never bound means there is nothing to receive on yet:
  *unbound*;
- a handle that is closed, shut down or no socket will not come back: *dead*.

Whatever is not in the table is *unknown*, and handled as transient: for a transport, one
receive too many is cheap, and one too few is a node that hears nobody.
"""

from __future__ import annotations

import enum
import errno
import sys


class ErrorClass(enum.Enum):
    """What to do after a receive failed."""

    TRANSIENT = "transient"
    OURS = "ours"
    UNBOUND = "unbound"
    DEAD = "dead"
    UNKNOWN = "unknown"


# Win32 error number: the Winsock number of the same cause, by the NTSTATUS that becomes either.
WINSOCK_NUMBER: dict[int, int] = {
    6: 10038,  # ERROR_INVALID_HANDLE: WSAENOTSOCK
    8: 10055,  # ERROR_NOT_ENOUGH_MEMORY: WSAENOBUFS
    54: 10050,  # ERROR_NETWORK_BUSY: WSAENETDOWN
    64: 10054,  # ERROR_NETNAME_DELETED: WSAECONNRESET
    121: 10060,  # ERROR_SEM_TIMEOUT: WSAETIMEDOUT
    233: 10058,  # ERROR_PIPE_NOT_CONNECTED: WSAESHUTDOWN
    234: 10040,  # ERROR_MORE_DATA: WSAEMSGSIZE
    1225: 10061,  # ERROR_CONNECTION_REFUSED: WSAECONNREFUSED
    1231: 10051,  # ERROR_NETWORK_UNREACHABLE: WSAENETUNREACH
    1232: 10065,  # ERROR_HOST_UNREACHABLE: WSAEHOSTUNREACH
    1233: 10051,  # ERROR_PROTOCOL_UNREACHABLE: WSAENETUNREACH
    1234: 10054,  # ERROR_PORT_UNREACHABLE: WSAECONNRESET
    1235: 10004,  # ERROR_REQUEST_ABORTED: WSAEINTR
    1236: 10053,  # ERROR_CONNECTION_ABORTED: WSAECONNABORTED
    1450: 10055,  # ERROR_NO_SYSTEM_RESOURCES: WSAENOBUFS
}

_TRANSIENT = (
    10004,  # WSAEINTR
    10040,  # WSAEMSGSIZE: a datagram larger than the buffer; it is gone, the next is not
    10050,  # WSAENETDOWN
    10051,  # WSAENETUNREACH
    10052,  # WSAENETRESET: the time to live expired on the way
    10053,  # WSAECONNABORTED
    10054,  # WSAECONNRESET
    10055,  # WSAENOBUFS
    10060,  # WSAETIMEDOUT
    10061,  # WSAECONNREFUSED
    10065,  # WSAEHOSTUNREACH
)
_DEAD = (
    10009,  # WSAEBADF
    10038,  # WSAENOTSOCK
    10058,  # WSAESHUTDOWN
)

WSAEMSGSIZE = 10040

# What the others than Windows make of ICMP errors.
_OF_ICMP = (
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.ENOPROTOOPT,
    errno.EMSGSIZE,
)

CLASS_OF: dict[int, ErrorClass] = {
    995: ErrorClass.OURS,  # ERROR_OPERATION_ABORTED
    10022: ErrorClass.UNBOUND,  # WSAEINVAL
    **dict.fromkeys(_TRANSIENT, ErrorClass.TRANSIENT),
    **dict.fromkeys(_DEAD, ErrorClass.DEAD),
}
if sys.platform != "win32":
    CLASS_OF.update(dict.fromkeys((errno.EBADF, errno.ENOTSOCK), ErrorClass.DEAD))
    CLASS_OF.update(dict.fromkeys(_OF_ICMP, ErrorClass.TRANSIENT))


def number_of(exc: OSError) -> int:
    """The Winsock number of *exc*, else its Win32 number, else errno, or 0."""
    number: int | None = getattr(exc, "winerror", None)
    if number is None:  # not Windows' own: errno has other numbers
        return exc.errno or 0
    return WINSOCK_NUMBER.get(number, number)


def classify(exc: OSError) -> ErrorClass:
    """What a receive that failed with *exc* asks for."""
    return CLASS_OF.get(number_of(exc), ErrorClass.UNKNOWN)


def normalise(exc: OSError) -> OSError:
    """*exc* under its Winsock number, of the class Python has for it, such as
    ConnectionResetError for 1234; *exc* itself where it has that number already, or none.

    Without its traceback: the frames hold the buffer of the receive that failed, and a program
    may keep its errors.
    """
    exc.__traceback__ = None
    number = WINSOCK_NUMBER.get(getattr(exc, "winerror", None) or 0)
    if number is None:
        return exc
    # With a fourth argument OSError takes errno and its own subclass from the Windows number.
    normalised = OSError(0, exc.strerror, None, number)
    normalised.__cause__ = exc
    return normalised
