"""The faults that this package repairs, as tables: asyncio's UDP on Windows, and IPv8's endpoints.

Each row of asyncio's names one behaviour in which ProactorEventLoop differs from
SelectorEventLoop, the CPython issue that tells of it, and the releases in which CPython repaired
it. The tables know versions only: they import nothing of asyncio, so that the command line can
print them anywhere.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple

Version = Tuple[int, ...]


class Fault(NamedTuple):
    """One row of the catalogue.

    ``fixed_in`` holds the first repaired release of each CPython series; a series above the
    highest one named there has the repair from its first release. ``since`` is the first
    release that has the fault.
    """

    id: str
    title: str
    issue: str
    fixed_in: tuple[Version, ...] = ()
    since: Version = (3, 8)

    def concerns(self, version: Version) -> bool:
        """Whether the CPython release *version*, such as ``(3, 12, 9)``, has this fault."""
        if version < self.since:
            return False
        for fixed in self.fixed_in:
            if version[:2] == fixed[:2]:
                return version < fixed
        return not self.fixed_in or version < max(self.fixed_in)


_SEPTEMBER_2026 = ((3, 13, 16), (3, 14, 8), (3, 15, 0))

FAULTS: dict[str, Fault] = {
    fault.id: fault
    for fault in (
        Fault("F1", "an ICMP error ends a waiting receive, unreported", "gh-156784"),
        Fault("F2", "an ICMP error fails the next receive at once", "gh-127057", _SEPTEMBER_2026),
        Fault("F3", "an ICMP error deafens a connected socket", "gh-91227"),
        Fault("F4", "any other receive error deafens the transport", "gh-127057"),
        Fault("F5", "a write error strands the queue", "gh-156698", _SEPTEMBER_2026),
        Fault(
            "F6",
            "close() drops the queue, connection_lost() never comes",
            "gh-156920",
            _SEPTEMBER_2026,
        ),
        Fault(
            "F7",
            "the write buffer's size only grows",
            "gh-135444",
            ((3, 13, 6), (3, 14, 0)),
            since=(3, 13),
        ),
        Fault("F8", "an empty datagram is never delivered", "none"),
        Fault(
            "F9", "sock_recvfrom() returns (b'', None) after an error", "gh-91227", since=(3, 11)
        ),
        Fault("F10", "sendto() to an IPv6 (host, port) pair fails", "none"),
    )
}

# IPv8's own, on every platform. Which pyipv8 has them is told by its code, not by its version.
IPV8_FAULTS: dict[str, Fault] = {
    fault.id: fault
    for fault in (
        Fault("F11", "a receive never completes, and nothing says so", "none"),
        Fault("F12", "the event loop's own wake-up socket dies", "gh-156333"),
        Fault("F13", "UDPEndpoint.open() abandons sockets and hides that it failed", "none"),
        Fault("F15", "listeners never reach the endpoint behind a wrapper", "none"),
    )
}

# No fault, but listed with the repairs: the setting ``loop``, and what has become of it.
EVENT_LOOP = Fault("loop", "the event loop of a program that names none", "none")
# No fault: what status() tells of under the same headings.
TRIBLER_ENTRIES: dict[str, Fault] = {
    "tribler": Fault("tribler", "Tribler shows how its UDP endpoints are doing", "none"),
}
