"""``@deduplicated()``: a handler that answers a repeated request without running again."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import inspect
import reprlib
import weakref
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Coroutine, Iterator, overload

from tribler_udp_fix._arguments import shown
from tribler_udp_fix._asyncio._counters import COUNTERS
from tribler_udp_fix._peers._allowed import check_seconds, check_size
from tribler_udp_fix._requests._answers import Answer, Answers, Request
from tribler_udp_fix._requests._exchanges import source_of

if TYPE_CHECKING:
    from typing import Protocol

    from ipv8.messaging.serialization import Payload
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

    class Deduplicate(Protocol):
        """What takes a handler that returns its answer, and makes one that IPv8 can call."""

        @overload
        def __call__(
            self, handler: Callable[P, Coroutine[Any, Any, Payload | None]]
        ) -> Callable[P, Coroutine[Any, Any, None] | None]: ...
        @overload
        def __call__(self, handler: Callable[P, Payload | None]) -> Callable[P, None]: ...


def deduplicated(ttl: float = 60.0, size: int = 1000) -> Deduplicate:
    """A decorator for handlers that return their answer; it stands below IPv8's own.

    ::

        @lazy_wrapper(Question)
        @deduplicated()
        def on_question(self, peer, question):
            return Answer(question.identifier, "...")

    What the handler, or its coroutine, returns is sent to who asked, signed if the request was;
    None is no answer. The same request of the same peer gets the same bytes again for *ttl* seconds
    after that, and the handler does not run; nor does it while it is still running. For each
    community the last *size* requests are remembered; of more, who asks the most loses its oldest.
    One whose handler raises is forgotten. One whose handler returns what cannot be sent is not,
    since its work is done: the handler as IPv8 calls it raises, a TypeError for what is no payload.

    Raises TypeError or ValueError for a *ttl* or *size* that is not a positive number, and
    TypeError for a handler that is no function.
    """
    if callable(ttl):
        raise TypeError(f"ttl={_name(ttl)}, a function: write @deduplicated()")
    check_seconds("ttl", ttl)
    check_size("size", size)

    def decorate(handler: Callable[..., Any]) -> Any:
        if not callable(handler):
            allowed = "a function that returns a payload, or None"
            raise TypeError(f"handler={_name(handler)}, no function: allowed is {allowed}")
        answers: weakref.WeakKeyDictionary[Any, Answers] = weakref.WeakKeyDictionary()

        @functools.wraps(handler)
        def once(community: Any, source: Any, *payloads: Any, **named: Any) -> Any:
            asked = [payload for payload in payloads if not isinstance(payload, bytes)]
            if not asked:
                raise TypeError("@deduplicated() is to stand below @lazy_wrapper() and its kin")
            packed = community.serializer.pack_serializable_list(asked)
            request = source_of(source), hashlib.sha256(packed).digest()  # it may be 64 kB
            known = answers.setdefault(community, Answers(ttl, size))
            answer = known.find(request, _now())
            if answer is not None:
                COUNTERS.add("requests_repeated")
                _send(community, source, answer.packet)
                return None
            answer = known.begin(request)

            def give(payload: Any) -> None:
                packet = None
                try:
                    if payload is not None:
                        _check_answer(handler, payload)
                        packet = community.ezr_pack(payload.msg_id, payload, sig=_is_signed(source))
                finally:  # the handler has run, whether or not this can be packed, or can leave
                    known.end(request, answer, packet, _now())
                _send(community, source, packet)

            async def give_later(coroutine: Awaitable[Any]) -> None:
                with _forgetting(known, request, answer):
                    payload = await coroutine
                give(payload)

            with _forgetting(known, request, answer):
                returned = handler(community, source, *payloads, **named)
            if inspect.isawaitable(returned):
                return give_later(returned)
            give(returned)
            return None

        return once

    return decorate


@contextlib.contextmanager
def _forgetting(known: Answers, request: Request, answer: Answer) -> Iterator[None]:
    """Where it fails, or is cancelled, a request that is repeated is tried again."""
    try:
        yield
    except BaseException:
        known.forget(request, answer)
        raise


def _check_answer(handler: Any, returned: Any) -> None:
    """Raise TypeError for what a handler has returned that is no payload."""
    if isinstance(returned, type) or not hasattr(returned, "msg_id"):
        told = shown(returned, reprlib.repr)
        raise TypeError(f"{_name(handler)} returned {told}: allowed is a payload, or None")


def _name(function: Any) -> str:
    return getattr(function, "__name__", None) or shown(function, reprlib.repr)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_signed(source: Any) -> bool:
    return hasattr(source, "public_key")


def _send(community: Any, source: Any, packet: bytes | None) -> None:
    if packet is not None:
        community.endpoint.send(source.address if _is_signed(source) else source, packet)
