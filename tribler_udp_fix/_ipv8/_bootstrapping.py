"""The way back to its peers, for a community whose endpoint hears again.

IPv8 asks its bootstrap servers no more than once in 30 seconds, and does so while the endpoint is
deaf, too: when it hears again the time runs still, and a node that has forgotten its peers, as
after a night's sleep, is alone for so long.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import weakref
from typing import Any

from tribler_udp_fix._ipv8._lan import listeners_of

logger = logging.getLogger("tribler_udp_fix")

PAUSE = 60.0  # seconds between two that are begun for one community: the servers are everybody's
UNSENT = 2.0  # seconds, where nothing of the last one left the machine: no server met that
JITTER = 1.0  # seconds: endpoints of many nodes hear again together, as when a network is back
LOOKS = 60  # times that it is looked, once a second, whether a community has lost its peers

_begun: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()


class WayBack:
    """Begins the bootstrapping anew of the communities of one *endpoint* that have no peers."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0
        self._heard_again = 0.0

    def begin(self) -> None:
        """The endpoint hears again, or from elsewhere. What peers there are may be gone by now.

        So it is looked for a minute: who loses them later finds IPv8's own time-out over.
        """
        self.stop()
        self._heard_again, self._left = time.monotonic(), LOOKS
        self._schedule(JITTER * random.random())

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        self._left -= 1
        try:
            for community in filter(_bootstraps, listeners_of(self._endpoint)):
                if self._is_due(community) and not community.get_peers():
                    _bootstrap(community)
        except Exception:  # of a community of any make, in a timer's callback: Tribler crashes
            logger.exception("the bootstrapping could not be begun anew")
            return
        if self._left:
            self._schedule(1.0)

    def _is_due(self, community: Any) -> bool:
        begun = _begun.get(community)
        if begun is None:
            return True
        ago = time.monotonic() - begun
        failing = getattr(getattr(self._endpoint, "_transport", None), "failing", None)
        if failing is not None and failing.since < begun + UNSENT:
            return ago >= UNSENT
        return begun < self._heard_again and ago >= PAUSE


def _bootstraps(listener: Any) -> bool:
    return all(hasattr(listener, name) for name in ("bootstrap", "bootstrappers", "get_peers"))


def _bootstrap(community: Any) -> None:
    if not community.bootstrappers:
        return
    _begun[community] = time.monotonic()
    for bootstrapper in community.bootstrappers:
        if isinstance(getattr(bootstrapper, "last_bootstrap", None), (int, float)):
            bootstrapper.last_bootstrap = 0
    logger.info("%s has no peers: its bootstrapping is begun again", type(community).__name__)
    community.bootstrap()
