"""Answers that are given once, and caches that are sent again, likewise on any system."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from asking import HOST, Answer, Node, Question
from ipv8.lazy_community import lazy_wrapper
from ipv8.requestcache import RandomNumberCache
from request_harness import Sends, case, counted, now

import tribler_udp_fix
from tribler_udp_fix import Retrying, testing
from tribler_udp_fix._requests._exchanges import exchanges_of
from tribler_udp_fix._requests._timing import FIRST_WAIT


@case
async def the_same_question_of_two_peers_is_two_questions(alice, bob):
    carol = await Node().start()
    for node in (alice, carol, alice):
        node.community.ez_send(bob.peer, Question(5, b"?"))
        await asyncio.sleep(1)
    assert len(bob.community.handled) == 2
    await asyncio.sleep(61)
    alice.community.ez_send(bob.peer, Question(5, b"?"))
    await asyncio.sleep(1)
    assert len(bob.community.handled) == 3
    await carol.stop()


@case
async def a_question_that_is_still_being_answered_is_not_handled_again(alice, bob):
    release = asyncio.Event()
    running: list[bytes] = []

    @lazy_wrapper(Question)
    @tribler_udp_fix.deduplicated()
    async def slowly(self: Any, peer: Any, question: Any) -> Any:
        running.append(question.body)
        await release.wait()
        return Answer(question.identifier, question.body)

    bob.community.decode_map[Question.msg_id] = slowly.__get__(bob.community)
    with counted(requests_repeated=1):
        asking = asyncio.ensure_future(alice.ask(bob, b"?"))
        await asyncio.sleep(2)
    release.set()
    assert await asking == b"?"
    assert running == [b"?"]


@case
async def without_deduplication_a_question_that_is_repeated_is_handled_again(alice, bob):
    handled: list[bytes] = []

    @lazy_wrapper(Question)
    def on_question(self: Any, peer: Any, question: Any) -> None:
        handled.append(question.body)
        self.ez_send(peer, Answer(question.identifier, question.body))

    bob.community.decode_map[Question.msg_id] = on_question.__get__(bob.community)
    with testing.lossy_network(bob.endpoint, share=1):
        asking = asyncio.ensure_future(alice.ask(bob, b"?"))
        await asyncio.sleep(2)
    assert await asking == b"?"
    assert handled == [b"?"] * 3


@case
async def a_handler_that_fails_is_tried_again(alice, bob):
    tries: list[bytes] = []

    @lazy_wrapper(Question)
    @tribler_udp_fix.deduplicated()
    def fail_once(self: Any, peer: Any, question: Any) -> Any:
        tries.append(question.body)
        if len(tries) == 1:
            raise ZeroDivisionError
        return Answer(question.identifier, question.body)

    bob.community.decode_map[Question.msg_id] = fail_once.__get__(bob.community)
    bob.community.logger.disabled = True
    try:
        assert await alice.ask(bob, b"?") == b"?"
    finally:
        bob.community.logger.disabled = False
    assert tries == [b"?", b"?"]


class Asked(Retrying, RandomNumberCache):  # type: ignore[misc]
    """A cache as developers write them, that is sent again."""

    name = "asked"
    timeout_delay = 6.0

    def __init__(self, community: Any) -> None:
        super().__init__(community.request_cache, self.name)
        self.answer = asyncio.get_running_loop().create_future()
        self.register_future(self.answer)

    timed_out: Any = None  # when, by the loop's clock

    def on_timeout(self) -> None:
        assert self.timed_out is None
        self.timed_out = asyncio.get_running_loop().time()


def hear_answers(node: Node) -> None:
    """Have the node's answers pop the cache, if they are from who was asked."""

    @lazy_wrapper(Answer)
    def on_answer(self: Any, peer: Any, answer: Any) -> None:
        cache = Asked.answered(self.request_cache, peer, answer.identifier)
        if cache is not None:
            cache.answer.set_result(answer.body)

    node.community.add_message_handler(Answer, on_answer.__get__(node.community))


def ask_by_cache(node: Node, other: Node) -> Asked:
    cache: Asked = node.community.request_cache.add(Asked(node.community))
    cache.ask(node.community, other.peer, Question(cache.number, b"?"))
    return cache


@case
async def a_cache_is_sent_again_until_it_is_popped(alice, bob):
    hear_answers(alice)
    sends = Sends(alice)
    with testing.lossy_network(bob.endpoint, share=1):
        cache = ask_by_cache(alice, bob)
        await asyncio.sleep(2)
    assert await cache.answer == b"?"
    assert cache.attempts == len(sends) == 3
    assert len(set(sends.packets)) == 1
    await asyncio.sleep(10)
    assert len(sends) == 3
    assert bob.community.handled == [b"?"]


@case
async def a_cache_that_asks_somebody_else_asks_the_first_no_more(alice, bob):
    carol = await Node().start()
    hear_answers(alice)
    sends = Sends(alice)
    with testing.silent_peer(bob.endpoint):
        cache = ask_by_cache(alice, bob)
        await asyncio.sleep(0.5)
        cache.ask(alice.community, carol.peer, Question(cache.number, b"!"))
        assert await cache.answer == b"!"
        await asyncio.sleep(20)
    assert len(sends) == 2
    assert exchanges_of(alice.community).line(bob.peer).open == 0
    await carol.stop()


@case
async def a_cache_that_times_out_is_sent_no_more(alice, bob):
    sends = Sends(alice)
    with testing.silent_peer(bob.endpoint):
        cache = ask_by_cache(alice, bob)
        assert await cache.answer is None
        assert cache.attempts == len(sends) == 3
        await asyncio.sleep(10)
        asking = ask_by_cache(alice, bob)
        await alice.community.unload()
        assert asking.answer.cancelled()
        await asyncio.sleep(10)
    assert len(sends) == 3 + 1


def resume(node: Node, port: int) -> None:
    """Give its endpoint a socket again."""
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((HOST, port))
    node.endpoint._transport.resume(sock)


@case
async def without_a_socket_a_caches_time_out_stands_still(alice, bob):
    hear_answers(alice)
    port = alice.endpoint.get_address()[1]
    alice.endpoint._transport.suspend(10)
    cache = ask_by_cache(alice, bob)
    await asyncio.sleep(20)  # it would have timed out after six
    resume(alice, port)
    assert await cache.answer == b"?"
    assert cache.attempts == 1
    await asyncio.sleep(40)
    assert cache.timed_out is None


@case
async def of_a_caches_time_out_what_is_left_goes_on_with_a_socket(alice, bob):
    port = alice.endpoint.get_address()[1]
    exchanges = exchanges_of(alice.community)
    exchanges.budget._saved = 0  # so that it is sent once
    with testing.silent_peer(bob.endpoint):
        began, cache = now(), ask_by_cache(alice, bob)
        await asyncio.sleep(3)
        alice.endpoint._transport.suspend(10)
        await asyncio.sleep(10)
        resume(alice, port)
        assert await cache.answer is None
        assert 15.5 < cache.timed_out - began < 16.5
        assert cache.attempts == 1
        assert exchanges.line(bob.peer).round_trip.wait == FIRST_WAIT  # that was no answer
        alice.endpoint._transport.suspend(10)
        began, cache = now(), ask_by_cache(alice, bob)
        assert await cache.answer is None
        assert 35.5 < cache.timed_out - began < 36.5  # no longer than that


@case
async def a_cache_whose_time_out_stands_still_is_popped_and_cancelled_as_any_other(alice, bob):
    requests = alice.community.request_cache
    alice.endpoint._transport.suspend(10)
    caches = [ask_by_cache(alice, bob) for _ in range(3)]
    await asyncio.sleep(0)  # before it stands still
    requests.pop("asked", caches[0].number)
    await asyncio.sleep(0.3)
    requests.pop("asked", caches[1].number)
    await asyncio.sleep(10)
    await alice.community.unload()
    assert caches[2].answer.cancelled()
    await asyncio.sleep(60)
    assert [cache.timed_out for cache in caches] == [None] * 3
    assert [cache.attempts for cache in caches] == [0] * 3


@case
async def a_cache_is_popped_by_who_was_asked_alone(alice, bob):
    hear_answers(alice)
    mallory = await Node().start()
    with testing.late_answers(bob.endpoint, 0.5), counted(answers_unasked=1, answers_late=1):
        cache = ask_by_cache(alice, bob)
        mallory.community.ez_send(alice.peer, Answer(cache.number, b"a lie"))
        assert await cache.answer == b"?"
        bob.community.ez_send(alice.peer, Answer(cache.number, b"again"))
        await asyncio.sleep(2)
    await mallory.stop()
