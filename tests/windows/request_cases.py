"""What becomes of requests, over real sockets, on a loop whose time runs ahead: on any system."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from unittest import mock

import pytest
from answer_cases import Asked
from asking import HOST, KEYS, Answer, Asking, Node, Question
from ipv8.lazy_community import lazy_wrapper
from ipv8.peer import Peer
from request_harness import Sends, case, counted, now

import tribler_udp_fix
from tribler_udp_fix import EndpointClosed, PeerGone, RequestTimeout, testing
from tribler_udp_fix._requests import _exchanges


@case
async def an_answer_comes_back_and_nothing_is_sent_again(alice, bob):
    sends = Sends(alice)
    assert await alice.ask(bob, b"signed") == b"signed"
    assert await alice.ask_unsigned(bob, b"unsigned") == b"unsigned"
    await asyncio.sleep(20)
    assert bob.community.handled == [b"signed", b"unsigned"]
    assert len(sends) == 2


@case
async def what_is_lost_is_sent_again_byte_for_byte_and_handled_once(alice, bob):
    sends = Sends(alice)
    with counted(requests_resent=2, requests_repeated=2):
        with testing.lossy_network(bob.endpoint, share=1):
            asking = asyncio.ensure_future(alice.ask(bob, b"?"))
            await asyncio.sleep(2)  # the question is heard twice, both answers are lost
        assert await asking == b"?"
    assert bob.community.handled == [b"?"]
    assert len(sends) == 3
    assert len(set(sends.packets)) == 1


@case
async def resends_come_after_one_three_and_seven_seconds_up_to_half_as_long_again(alice, bob):
    sends = Sends(alice)
    with testing.silent_peer(bob.endpoint), pytest.raises(RequestTimeout) as caught:
        await alice.ask(bob, b"?", timeout=11)
    assert caught.value.attempts == len(sends) == 4
    # The exact times are in tests/test_request_timing.py: here a busy machine may be late.
    assert all(at >= wait for at, wait in zip(sends.times, (0, 1, 3, 7)))
    assert all(at < wait for at, wait in zip(sends.times, (1, 3, 7, 11)))


@case
async def a_peer_that_is_fast_is_asked_again_sooner(alice, bob):
    for _ in range(20):
        await alice.ask(bob, b"?")
    with testing.silent_peer(bob.endpoint), pytest.raises(RequestTimeout) as caught:
        await alice.ask(bob, b"?", timeout=3)
    assert caught.value.attempts >= 3  # 2 for one that nobody knows


@case
async def without_resends_it_is_sent_once(alice, bob):
    sends = Sends(alice)
    with testing.silent_peer(bob.endpoint), pytest.raises(RequestTimeout) as caught:
        await alice.ask(bob, b"?", resend=False)
    assert caught.value.attempts == len(sends) == 1


@case
async def a_late_answer_is_counted(alice, bob):
    with testing.late_answers(bob.endpoint, 4), counted(answers_late=2):
        with pytest.raises(RequestTimeout):
            await alice.ask(bob, b"?", timeout=2.5)
        await asyncio.sleep(6)


@case
async def the_first_answer_counts_and_the_others_are_counted(alice, bob):
    with testing.late_answers(bob.endpoint, 2.4), counted(answers_repeated=1):
        assert await alice.ask(bob, b"!") == b"!"  # was asked again meanwhile
        await asyncio.sleep(5)
    with testing.repeated_answers(bob.endpoint), counted(answers_repeated=1):
        assert await alice.ask(bob, b"?") == b"?"
        await asyncio.sleep(1)


@case
async def a_signed_answer_may_come_from_elsewhere_and_an_unsigned_one_may_not(alice, bob):
    with testing.answers_from_elsewhere(bob.endpoint):
        assert await alice.ask(bob, b"signed") == b"signed"
        with counted(answers_unasked=1), pytest.raises(RequestTimeout):
            await alice.ask_unsigned(bob, b"unsigned", resend=False)


@case
async def the_answer_of_another_peer_is_none(alice, bob):
    mallory = await Node().start()

    @lazy_wrapper(Question)
    def copy(self: Any, peer: Any, question: Any) -> None:
        mallory.community.ez_send(alice.peer, Answer(question.identifier, b"a lie"))

    bob.community.decode_map[Question.msg_id] = copy.__get__(bob.community)
    with counted(answers_unasked=1), pytest.raises(RequestTimeout):
        await alice.ask(bob, b"?", resend=False)
    await mallory.stop()


@case
async def a_peer_that_is_gone_is_not_asked(alice, bob):
    gone: set[Any] = {bob.peer}
    sends = Sends(alice)
    with pytest.raises(PeerGone) as caught:
        await alice.ask(bob, b"?", is_gone=gone.__contains__)
    assert caught.value.attempts == len(sends) == 0
    gone.clear()
    with testing.silent_peer(bob.endpoint):
        asking = asyncio.ensure_future(alice.ask(bob, b"?", is_gone=gone.__contains__))
        await asyncio.sleep(0.5)
        gone.add(bob.peer)
        began = now()
        with pytest.raises(PeerGone) as caught:
            await asking
    assert caught.value.attempts == len(sends) == 1
    assert now() - began < 5


@case
async def of_many_requests_to_a_silent_peer_one_is_sent_again_at_a_time(alice, bob):
    sends = Sends(alice)
    with testing.silent_peer(bob.endpoint):
        asking = [alice.ask(bob, bytes([number]), timeout=11) for number in range(5)]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [RequestTimeout] * 5
    assert len(sends) == 5 + 3


@case
async def where_more_peers_are_asked_than_are_remembered_the_same_holds(alice, bob):
    sends = Sends(alice)
    keys = [alice.community.crypto.generate_key(KEYS) for _ in range(5)]
    peers = [Peer(key.pub(), bob.peer.address) for key in keys]
    with testing.silent_peer(bob.endpoint), mock.patch.object(_exchanges, "MAX_PEERS", 3):
        asking = [alice.ask(bob, b"?", peer=peer, timeout=3) for peer in peers * 2]
        await asyncio.gather(*asking, return_exceptions=True)
    assert len(sends) == 5 * 2 + 5
    assert len(_exchanges.exchanges_of(alice.community)._lines) == 3


@case
async def many_requests_to_a_silent_peer_take_their_turns_without_a_search(alice, bob):
    compared: list[Any] = []

    def equals(one: Any, other: Any) -> bool:
        compared.append(other)
        return one is other

    with testing.silent_peer(bob.endpoint), mock.patch.object(
        _exchanges.Exchange, "__eq__", equals
    ), mock.patch.object(_exchanges.Exchange, "__hash__", object.__hash__):
        asking = [alice.ask(bob, b"%d" % number, timeout=3) for number in range(50)]
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [RequestTimeout] * 50
    assert len(compared) == 0


@case
async def the_next_one_is_sent_again_when_the_one_before_it_was_answered(alice, bob):
    with testing.silent_peer(bob.endpoint):
        asking = [asyncio.ensure_future(alice.ask(bob, bytes([number]))) for number in range(5)]
        await asyncio.sleep(0.5)
    began = now()
    assert await asyncio.gather(*asking) == [bytes([number]) for number in range(5)]
    assert now() - began < 2.5


@case
async def resends_are_a_tenth_of_what_is_asked_and_ten(alice, bob):
    sends = Sends(alice)
    keys = [alice.community.crypto.generate_key(KEYS) for _ in range(60)]
    peers = [Peer(key.pub(), bob.peer.address) for key in keys]
    with testing.silent_peer(bob.endpoint), counted(requests_resent=16):
        asking = [alice.ask(bob, b"?", peer=peer) for peer in peers]
        await asyncio.gather(*asking, return_exceptions=True)
    assert len(sends) == 60 + 16


@case
async def a_closed_endpoint_is_an_error_at_once(alice, bob):
    with testing.silent_peer(bob.endpoint):
        asking = asyncio.ensure_future(alice.ask(bob, b"?"))
        await asyncio.sleep(0.1)
        alice.endpoint.close()
        began = now()
        with pytest.raises(EndpointClosed) as caught:
            await asking
    assert caught.value.attempts == 1
    assert now() - began < 5
    with pytest.raises(EndpointClosed) as caught:
        await alice.ask(bob, b"?")
    assert caught.value.attempts == 0


@case
async def a_closed_endpoint_is_handed_no_resend(alice, bob):
    exchanges = _exchanges.exchanges_of(alice.community)
    with testing.silent_peer(bob.endpoint):
        asking = [asyncio.ensure_future(alice.ask(bob, b"%d" % number)) for number in range(50)]
        await asyncio.sleep(2)  # one has been sent again, and the others wait for their turn
        sends, saved = Sends(alice), exchanges.budget._saved
        alice.endpoint.close()
        outcomes: list[Any] = await asyncio.gather(*asking, return_exceptions=True)
    assert len(sends) == 0
    assert exchanges.budget._saved == saved
    assert [type(outcome) for outcome in outcomes] == [EndpointClosed] * 50
    assert sum(outcome.attempts for outcome in outcomes) == 50 + 1


@case
async def unloading_the_community_cancels_what_it_has_asked(alice, bob):
    with testing.silent_peer(bob.endpoint):
        asking = asyncio.ensure_future(alice.ask(bob, b"?"))
        await asyncio.sleep(0.1)
        sends = Sends(alice)
        await alice.community.unload()
        with pytest.raises(asyncio.CancelledError):
            await asking
        with pytest.raises(asyncio.CancelledError):
            await alice.ask(bob, b"?")
        await asyncio.sleep(10)
    assert len(sends) == 0


@case
async def who_gives_up_sends_no_more(alice, bob):
    sends = Sends(alice)
    with testing.silent_peer(bob.endpoint):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(alice.ask(bob, b"?"), 0.5)
        await asyncio.sleep(20)
    assert len(sends) == 1


@case
async def without_a_socket_time_stands_still_and_attempts_do_not_count(alice, bob):
    transport = alice.endpoint._transport
    port = alice.endpoint.get_address()[1]
    transport.suspend(10)  # as while it is rebound
    sends = Sends(alice)
    asking = asyncio.ensure_future(alice.ask(bob, b"?", timeout=2))
    await asyncio.sleep(20)
    assert len(sends) == 0
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((HOST, port))
    transport.resume(sock)
    assert await asking == b"?"
    assert len(sends) == 1
    transport.suspend(10)
    began = now()
    with pytest.raises(RequestTimeout) as caught:
        await alice.ask(bob, b"?", timeout=2)
    assert caught.value.attempts == 0
    assert 31 < now() - began < 40


@case
async def who_waits_for_its_turn_keeps_it_while_there_is_no_socket(alice, bob):
    transport = alice.endpoint._transport
    port = alice.endpoint.get_address()[1]
    with testing.silent_peer(bob.endpoint):
        asking = [asyncio.ensure_future(alice.ask(bob, b"first", timeout=60))]
        await asyncio.sleep(0.6)  # so that it is the first that is sent again
        for each in (b"second", b"third"):
            asking.append(asyncio.ensure_future(alice.ask(bob, each, timeout=60)))
        await asyncio.sleep(11)  # all that they may be sent again was due, and the others wait
        transport.suspend(10)
        await asyncio.sleep(0.5)
        asking[0].cancel()
        await asyncio.sleep(0.5)
    sends = Sends(alice)
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((HOST, port))
    transport.resume(sock)
    began = now()
    assert await asyncio.gather(*asking[1:]) == [b"second", b"third"]
    assert len(sends) == 2
    assert now() - began < 5


@case
async def what_cannot_be_is_refused(alice, bob):
    with pytest.raises(ValueError, match="timeout=0: allowed is"):
        await alice.ask(bob, b"?", timeout=0)
    with pytest.raises(ValueError, match="not in request_cache"):
        Asked(alice.community).ask(alice.community, bob.peer, Question(0, b""))
    assert await alice.ask(bob, b"?") == b"?"
    with pytest.raises(ValueError, match="was asked for as Answer with sig=True"):
        await alice.ask(bob, b"?", sig=False)
    bob.community.add_message_handler(Answer, print)
    with pytest.raises(ValueError, match="reply=Answer: the community has a handler for message 2"):
        await bob.ask(alice, b"?")
    with pytest.raises(ValueError, match="ttl=0: allowed is"):
        tribler_udp_fix.deduplicated(ttl=0)
    with pytest.raises(ValueError, match="size=0: allowed is"):
        tribler_udp_fix.deduplicated(size=0)
    above = tribler_udp_fix.deduplicated()(lazy_wrapper(Question)(Asking.on_question))
    with pytest.raises(TypeError, match="below @lazy_wrapper"):
        above(bob.community, alice.peer.address, b"data")


@case
async def what_is_gone_raises_is_its_own_requests_end(alice, bob):
    calls: list[Any] = []

    def raises_later(peer: Any) -> bool:
        calls.append(peer)
        if len(calls) > 1:
            raise KeyError("a fault of the program's")
        return False

    with testing.silent_peer(bob.endpoint), pytest.raises(KeyError):
        await asyncio.wait_for(alice.ask(bob, b"?", is_gone=raises_later), 100)


@case
async def a_long_request_without_an_answer_keeps_no_other_from_being_sent_again(alice, bob):
    send, lost = alice.endpoint.send, [True]
    alice.endpoint.send = lambda address, packet: lost[0] or send(address, packet)
    long = asyncio.ensure_future(alice.ask(bob, b"long", timeout=3600))
    await asyncio.sleep(60)
    for number in range(3):
        lost[0] = True
        asking = asyncio.ensure_future(alice.ask(bob, b"%d" % number))
        await asyncio.sleep(0.1)
        lost[0] = False
        assert await asking == b"%d" % number
    long.cancel()


@case
async def a_request_whose_answer_could_not_be_sent_is_not_handled_again(alice, bob):
    send, refused = bob.endpoint.send, [True]

    def refuse_once(address: Any, packet: bytes) -> None:
        if refused[0]:
            refused[0] = False
            raise OSError("no buffer space")
        send(address, packet)

    bob.endpoint.send = refuse_once
    assert await alice.ask(bob, b"a ticket") == b"a ticket"
    assert bob.community.handled == [b"a ticket"]
