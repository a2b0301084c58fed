"""How many pings to peers that have gone earn an ICMP error: counted, and sent nowhere.

An error does not say who earned it. So those count that an IPv8 endpoint was told of between a step
of ``RandomChurn`` that pinged somebody and the next one, half a second later, and at most as many
as there were pings. Other sends to the departed in that time make it too high, errors that
take longer too low.
"""

from __future__ import annotations

import weakref
from typing import Any

from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._ipv8._error_counts import total

UNREACHABLE = 10054  # WSAECONNRESET, as which a closed port is reported

REFUSED, UNANSWERED = "pings_refused", "pings_unanswered"


class Step:
    """The pings of one churn's last step, and the errors until then."""

    pings = 0
    errors = 0


_steps: weakref.WeakKeyDictionary[Any, Step] = weakref.WeakKeyDictionary()


def begin(churn: Any) -> Step:
    """Count what the last step's pings earned; returns the step that begins."""
    step = _steps.setdefault(churn, Step())
    errors = total(UNREACHABLE)
    # Fewer than before where an endpoint is gone, and its errors with it.
    COUNTERS.add(REFUSED, max(0, min(step.pings, errors - step.errors)))
    step.pings, step.errors = 0, errors
    return step


def unanswered(peer: Any, pinged: float) -> None:
    """Count a ping that was sent at *pinged*, if nothing was heard of the peer since."""
    COUNTERS.add(UNANSWERED, int(peer.last_response < pinged))
