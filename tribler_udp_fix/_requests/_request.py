"""``request()``: a payload is sent, again where need be, and its answer comes back."""

from __future__ import annotations

import asyncio
import collections
import functools
import weakref
from typing import TYPE_CHECKING, Any, Tuple, TypeVar

from tribler_udp_fix._arguments import check_function, check_switch
from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._peers._allowed import (
    check_community,
    check_identifier,
    check_payload,
    check_peer,
    check_reply,
    check_seconds,
)
from tribler_udp_fix._requests import _gone
from tribler_udp_fix._requests._errors import EndpointClosed, PeerGone
from tribler_udp_fix._requests._exchanges import Exchange, Source, exchanges_of, source_of
from tribler_udp_fix._requests._formats import check_format

if TYPE_CHECKING:
    from ipv8.community import Community
    from ipv8.messaging.serialization import Payload
    from ipv8.peer import Peer

NUMBERS = 1 << 16  # identifiers, of two bytes
REMEMBERED = 1000  # requests that have ended, of one community, whose answers are told apart

Reply = TypeVar("Reply")
Asked = Tuple[Source, int]


async def request(
    community: Community,
    peer: Peer,
    payload: Payload,
    *,
    reply: type[Reply],
    timeout: float = 10.0,
    resend: bool = True,
    sig: bool = True,
    is_gone: _gone.IsGone | None = None,
) -> Reply:
    """Send *payload* to *peer*, and return the *reply* that it is answered with.

    Both payload classes have a ``msg_id``, and a field ``identifier`` of at least two bytes, which
    is set here. The same bytes are sent again until there is an answer: after 1, 3 and 7 s, each
    up to half as long again, or sooner where the peer is known to answer sooner. Of one
    community's requests one for a peer is sent again at a time, and one for each ten that are sent;
    ``resend=False`` sends once. The answer counts if it comes from the peer: signed by its key,
    or, with ``sig=False``, where neither is signed, from the address that was asked.

    *timeout* are seconds. They stand still while the own endpoint has no socket, for 30 s at most.
    *is_gone* tells whether a peer is known to have left.

    Raises RequestTimeout, PeerGone or EndpointClosed, each with the ``attempts`` that were made;
    TypeError or ValueError for what is not allowed, such as a reply that the community has a
    handler of its own for; RuntimeError where too many requests to one peer have no answer yet. It
    is cancelled when the community is unloaded.
    """
    check_community(community)
    check_peer(peer)
    check_payload(payload)
    check_reply(reply)
    check_identifier("payload", payload)
    check_identifier("reply", reply)
    check_format("payload", payload)
    check_format("reply", reply)
    check_seconds("timeout", timeout)
    check_switch("resend", resend)
    check_switch("sig", sig)
    check_function("is_gone", is_gone)
    gone = _gone.is_gone if is_gone is None else is_gone
    if not community.endpoint.is_open():
        raise EndpointClosed("the endpoint is closed")
    if gone(peer):
        raise PeerGone(f"{peer} is gone")
    replies = _replies_of(community, reply, sig)
    exchanges = exchanges_of(community)
    line = exchanges.line(peer)
    if line.open >= NUMBERS:
        raise RuntimeError(f"{line.open} requests to {peer} have no answer yet")
    source = source_of(peer if sig else peer.address)
    number = line.next_number()
    while (source, number) in replies.waited_for:
        number = line.next_number()
    message: Any = payload
    message.identifier = number
    packet = community.ezr_pack(message.msg_id, payload, sig=sig)

    outcome: asyncio.Future[Any] = exchanges.loop.create_future()

    def failed(exc: BaseException) -> None:
        if not outcome.done():
            outcome.set_result(exc)

    exchange = Exchange(exchanges, peer, source, packet, timeout, gone, failed, resend)
    replies.waited_for[source, number] = exchange, outcome
    try:
        _cancel_at_unload(community, outcome)
        if not outcome.done():
            exchange.start()
        answer = await outcome
    finally:
        exchange.end()
        outcome.cancel()
        replies.ended(source, number)
    if isinstance(answer, BaseException):
        raise answer
    return answer  # type: ignore[no-any-return]


def _cancel_at_unload(community: Any, outcome: asyncio.Future[Any]) -> None:
    # By a task, since pyipv8 2.10 takes no future. It never has an exception, of which IPv8 would
    # complain: those are results of the future.
    async def wait() -> None:
        await outcome

    task = asyncio.ensure_future(wait())
    task.add_done_callback(lambda _task: outcome.cancel())
    if community.register_anonymous_task("request", task) is not task:
        outcome.cancel()  # it is unloaded already


class _Replies:
    """The answers of one class that a community waits for."""

    def __init__(self, payload: Any, sig: bool) -> None:
        self.payload = payload
        self.sig = sig
        self.waited_for: dict[Asked, tuple[Exchange, asyncio.Future[Any]]] = {}
        self._past: collections.OrderedDict[Asked, str] = collections.OrderedDict()

    def on_reply(self, peer_or_address: Any, payload: Any) -> None:
        asked = source_of(peer_or_address), payload.identifier
        exchange, outcome = self.waited_for.get(asked, (None, None))
        if exchange is None or outcome is None or not exchange.attempts:
            COUNTERS.add(self._past.get(asked, "answers_unasked"))
        elif outcome.done():
            COUNTERS.add("answers_repeated")
        else:
            exchange.answered()
            outcome.set_result(payload)

    def ended(self, source: Source, number: int) -> None:
        _, outcome = self.waited_for.pop((source, number))
        ended = outcome.done() and not outcome.cancelled()
        answered = ended and not isinstance(outcome.result(), BaseException)
        self._past[source, number] = "answers_repeated" if answered else "answers_late"
        if len(self._past) > REMEMBERED:
            self._past.popitem(last=False)


_replies: weakref.WeakKeyDictionary[Any, dict[int, _Replies]] = weakref.WeakKeyDictionary()


def _hear(community: Any, source: Any, reply: Any) -> None:
    _replies[community][reply.msg_id].on_reply(source, reply)


def _replies_of(community: Any, payload: Any, sig: bool) -> _Replies:
    own = _replies.setdefault(community, {})
    replies = own.get(payload.msg_id)
    if replies is None:
        from ipv8.lazy_community import lazy_wrapper, lazy_wrapper_unsigned

        replies = _Replies(payload, sig)
        unpack: Any = lazy_wrapper if sig else lazy_wrapper_unsigned
        handler = unpack(payload)(_hear)
        try:
            community.add_message_handler(payload, functools.partial(handler, community))
        except RuntimeError as exc:
            raise ValueError(
                f"reply={payload.__name__}: the community has a handler for message "
                f"{payload.msg_id}: allowed is a reply without one, since request() has its own"
            ) from exc
        own[payload.msg_id] = replies
    if (replies.payload, replies.sig) != (payload, sig):
        was = f"{replies.payload.__name__} with sig={replies.sig}"
        raise ValueError(f"message {payload.msg_id} was asked for as {was}: allowed is one of both")
    return replies
