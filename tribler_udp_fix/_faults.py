"""The faults that this package repairs, as tables: asyncio's UDP on Windows, and IPv8's endpoints.

Each row of asyncio's names one behaviour in which ProactorEventLoop differs from
SelectorEventLoop, and the CPython issue that tells of it. Which CPython has it is told by its code
(``_asyncio/_upstream.py``), not by its version. The tables import nothing of asyncio, so that the
command line can print them anywhere.
"""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """One row of the catalogue."""

    id: str
    title: str
    issue: str


FAULTS: dict[str, Fault] = {
    fault.id: fault
    for fault in (
        Fault("F1", "an ICMP error ends a waiting receive, unreported", "gh-156784"),
        Fault("F2", "an ICMP error fails the next receive at once", "gh-127057"),
        Fault("F3", "an ICMP error deafens a connected socket", "gh-91227"),
        Fault("F4", "any other receive error deafens the transport", "gh-127057"),
        Fault("F5", "a write error strands the queue", "gh-156698"),
        Fault("F6", "close() drops the queue, connection_lost() never comes", "gh-156920"),
        Fault("F7", "the write buffer's size only grows", "gh-135444"),
        Fault("F8", "an empty datagram is never delivered", "none"),
        Fault("F9", "sock_recvfrom() returns (b'', None) after an error", "gh-91227"),
        Fault("F10", "sendto() to an IPv6 (host, port) pair fails", "none"),
        Fault("F23", "remote_addr= with allow_broadcast= neither sends nor hears", "gh-76103"),
    )
}

# IPv8's own, on every platform, and the watchdog's (F11, F12). Which pyipv8 has IPv8's is told by
# its code.
IPV8_FAULTS: dict[str, Fault] = {
    fault.id: fault
    for fault in (
        Fault("F11", "a receive never completes, and nothing says so", "none"),
        Fault("F12", "the event loop's own wake-up socket dies", "gh-156333"),
        Fault("F13", "UDPEndpoint.open() abandons sockets and hides that it failed", "none"),
        Fault("F15", "listeners never reach the endpoint behind a wrapper", "none"),
        Fault("F16", "a node that is deaf throws its peers out", "none"),
        Fault("F17", "a peer that was heard only once is pinged for ever", "none"),
        Fault("F18", "a peer that returns stays unheard: its old self gets the credit", "none"),
        Fault("F19", "a peer removed by its address can never come back", "none"),
        Fault("F20", "no ping is matched once the global time passes 65,535", "none"),
        Fault("F21", "time-outs of RequestCache are ignored, or other tasks'", "none"),
        Fault("F22", "connect_peer() takes a dead node for connected", "none"),
    )
}

# No fault, but listed with the repairs: the setting ``loop``, and what has become of it.
EVENT_LOOP = Fault("loop", "the event loop of a program that names none", "none")
# No fault: SelectorEventLoop's transports, which the watchdog can rebind where they are ours.
SELECTOR = Fault("selector", "SelectorEventLoop's datagram transports", "none")
# No fault: what status() tells of under the same headings.
TRIBLER_ENTRIES: dict[str, Fault] = {
    "tribler": Fault("tribler", "Tribler shows how its UDP endpoints are doing", "none"),
    "trackers": Fault("trackers", "Tribler asks each UDP tracker from its own socket", "none"),
}
