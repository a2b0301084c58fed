"""ICMP errors, switched off at a socket that has nobody to tell of them."""

from __future__ import annotations

import socket
import sys

from tribler_udp_fix._asyncio._counters import COUNTERS


def prevent_icmp_errors(sock: socket.socket) -> None:
    """Ask Windows to keep the ICMP errors of the UDP socket *sock* to itself; raises nothing.

    The outcome of each switch is counted. Elsewhere there is nothing to ask: a socket that is not
    connected hears of no ICMP error there.
    """
    if sys.platform == "win32":
        try:
            from tribler_udp_fix._asyncio._winsock import switch_icmp_errors

            outcome = switch_icmp_errors(sock, on=False)
        except Exception as exc:  # best effort: a frozen program may have no ctypes
            COUNTERS.add(f"prevent_icmp_errors failed: {type(exc).__name__}")
            return
        for switch, error in outcome.items():
            COUNTERS.add(f"{switch} refused with {error}" if error else f"{switch} switched off")
