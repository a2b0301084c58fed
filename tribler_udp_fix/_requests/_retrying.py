"""``Retrying``: the caches of IPv8's ``RequestCache``, sent again without a line of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from tribler_udp_fix._arguments import check_function, check_switch
from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._peers._allowed import (
    check_community,
    check_payload,
    check_peer,
)
from tribler_udp_fix._requests import _gone
from tribler_udp_fix._requests._errors import PeerGone
from tribler_udp_fix._requests._exchanges import Exchange, exchanges_of, source_of

if TYPE_CHECKING:
    from ipv8.community import Community
    from ipv8.messaging.serialization import Payload
    from ipv8.peer import Peer
    from ipv8.requestcache import RequestCache

Cache = TypeVar("Cache", bound="Retrying")


class Retrying:
    """A mixin for caches that ask: ``class Ping(Retrying, RandomNumberCache)``.

    ``answered()`` finds them by the class attribute ``name``, which they pass on as their prefix.
    What ``ask()`` sends is sent again, as by ``request()`` and within the same limits, until the
    cache is popped or times out. The time-out, ``timeout_delay``, stands still while the own
    endpoint has no socket, for 30 s at most.
    """

    _exchange: Exchange | None = None

    @property
    def attempts(self) -> int:
        """How often it was sent so far."""
        return 0 if self._exchange is None else self._exchange.attempts

    def ask(
        self,
        community: Community,
        peer: Peer,
        payload: Payload,
        *,
        sig: bool = True,
        is_gone: _gone.IsGone | None = None,
    ) -> None:
        """Send *payload* to *peer*, and the same bytes again; what it asked before, no more.

        Raises ValueError where the cache is not in ``community.request_cache``, PeerGone where the
        peer is known to have gone, TypeError for what is not allowed, and what sending raises.
        """
        check_community(community)
        check_peer(peer)
        check_payload(payload)
        check_switch("sig", sig)
        check_function("is_gone", is_gone)
        cache: Any = self
        community_: Any = community
        # Its time-out, which the oldest pyipv8 has no get_task() for.
        task = community_.request_cache._pending_tasks.get(cache)
        if task is None:
            raise ValueError(f"{self!r} is not in request_cache: add it there before it asks")
        gone = _gone.is_gone if is_gone is None else is_gone
        if gone(peer):
            raise PeerGone(f"{peer} is gone")
        message: Any = payload
        exchange = Exchange(
            exchanges_of(community),
            peer,
            source_of(peer if sig else peer.address),
            community.ezr_pack(message.msg_id, payload, sig=sig),
            cache.timeout_delay,
            is_gone=gone,
            stands=lambda: self._stand_still(community_.request_cache),
        )
        if self._exchange is not None:
            self._exchange.end()
        self._exchange = exchange
        task.add_done_callback(self._ended)
        exchange.start()

    def _ended(self, task: asyncio.Future[Any]) -> None:
        if self._exchange is not None:
            if task.cancelled() and self._exchange.left > 0:  # it was popped
                self._exchange.answered()
            self._exchange.end()

    def _stand_still(self, request_cache: Any) -> None:
        """Put a task of ours in the place of IPv8's time-out, which knows of no standstill."""
        before = request_cache._pending_tasks.get(self)
        if before is None or before.done():
            return
        before.remove_done_callback(self._ended)  # this is not the end
        request_cache.cancel_pending_task(self)
        ours = request_cache.register_task(self, self._time_out, request_cache)
        ours.add_done_callback(self._ended)

        def keep(_before: asyncio.Future[Any]) -> None:
            if not ours.done():  # with the task IPv8 has taken out whatever has its name
                request_cache._pending_tasks[self] = ours

        before.add_done_callback(keep)

    async def _time_out(self, request_cache: Any) -> None:
        while self._exchange is not None and self._exchange.left > 0:
            await asyncio.sleep(self._exchange.left)
        request_cache._on_timeout(self)

    @classmethod
    def answered(
        cls: type[Cache], request_cache: RequestCache, source: Any, number: int
    ) -> Cache | None:
        """Pop the cache of this *number* if *source* is who was asked; else None, and it counts.

        *source* is what the handler has: the ``Peer`` of a signed answer, the address of another.

        Raises TypeError where the class has no ``name``: it is what its caches are found by.
        """
        name: Any = getattr(cls, "name", None)
        if name is None or isinstance(name, property):  # of which only a cache has the value
            raise TypeError(
                f"{cls.__name__} has no name: allowed is a class attribute, passed on as the "
                "prefix of its cache"
            )
        cache: Any = request_cache.get(name, number)
        if cache is None:
            COUNTERS.add("answers_late")
            return None
        if cache._exchange is None or cache._exchange.source != source_of(source):
            COUNTERS.add("answers_unasked")
            return None
        return request_cache.pop(name, number)  # type: ignore[no-any-return]
