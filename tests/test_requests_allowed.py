"""What requests of IPv8 communities refuse: the error names the argument, its value, and why."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import tribler_udp_fix
from tribler_udp_fix._peers._allowed import check_identifier
from tribler_udp_fix._requests._exchanges import exchanges_of
from tribler_udp_fix._requests._formats import check_format

if sys.platform == "win32":
    pytest.skip("that is the same on any system", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from asking import KEYS, Answer, Asking, Node, Question
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.lazy_payload import VariablePayload
from ipv8.messaging.payload import Payload
from ipv8.messaging.payload_dataclass import type_from_format
from ipv8.messaging.serialization import PackError
from ipv8.peer import Peer
from ipv8.requestcache import RandomNumberCache, RequestCache


class Unnumbered(VariablePayload):  # type: ignore[misc]
    """A payload without an identifier, which nobody can tell from another."""

    msg_id = 9
    format_list = ("H",)
    names = ("number",)


def numbered(name: str, *formats: Any, names: tuple[str, ...] = ("identifier",)) -> Any:
    """A payload class with these fields."""
    return type(name, (VariablePayload,), {"msg_id": 6, "format_list": formats, "names": names})


Narrow = numbered("Narrow", "B")


class Old(Payload):  # type: ignore[misc]
    """One as before there was VariablePayload: it does not say what its fields are."""

    msg_id = 8
    format_list = ("H",)
    identifier: int

    def to_pack_list(self) -> list[Any]:
        return [("H", self.identifier)]

    @classmethod
    def from_unpack_list(cls, identifier: int) -> Old:
        made = cls()
        made.identifier = identifier
        return made


async def later(_: Any) -> bool:
    return False


class Later:
    async def __call__(self, _: Any) -> bool:
        return False


QUESTION = Question(0, b"?" * 1000)
PEER: Any = Peer(default_eccrypto.generate_key(KEYS).pub(), ("127.0.0.1", 9))


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"timeout": "5"}, TypeError, "timeout='5': allowed is a positive number of seconds"),
        ({"timeout": None}, TypeError, "timeout=None: allowed"),
        ({"timeout": True}, TypeError, "timeout=True: allowed"),
        ({"timeout": float("nan")}, ValueError, "timeout=nan: allowed"),
        ({"timeout": 10**400}, ValueError, "timeout=1000.*000: allowed is a positive number of"),
        ({"timeout": 10**5000}, ValueError, r"timeout=(int\(…\)|1000.*): allowed is a positive"),
        ({"community": None}, TypeError, "community=None: allowed is a Community"),
        ({"community": "x"}, TypeError, "community='x': allowed"),
        ({"community": Asking}, TypeError, "community=<class 'asking.Asking'>: allowed"),
        ({"reply": QUESTION}, TypeError, r"^reply=Question\(…\): allowed is a payload class that"),
        ({"reply": None}, TypeError, "reply=None: allowed is a payload class that has a msg_id"),
        ({"reply": Unnumbered}, ValueError, "reply=Unnumbered with the fields number: allowed is"),
        ({"payload": Unnumbered(1)}, ValueError, r"payload=Unnumbered\(…\) with the fields number"),
        ({"payload": Question}, TypeError, "payload=Question: allowed is a payload that has a"),
        ({"payload": b"?"}, TypeError, r"payload=b'\?': allowed is a payload that has a msg_id"),
        ({"peer": ("127.0.0.1", 9)}, TypeError, r"peer=\('127.0.0.1', 9\): allowed is a Peer"),
        ({"is_gone": 5}, TypeError, "is_gone=5, no function: allowed is a function that returns"),
        ({"is_gone": later}, TypeError, "is_gone=later, an async one: allowed is a f"),
        ({"is_gone": functools.partial(later)}, TypeError, "is_gone=.*, an async one"),
        ({"is_gone": Later()}, TypeError, "is_gone=.*, an async one"),
        ({"resend": 3}, TypeError, "^resend=3: allowed is True or False$"),
        ({"resend": None}, TypeError, "^resend=None: allowed is True or False$"),
        ({"sig": "x"}, TypeError, "^sig='x': allowed is True or False$"),
        ({"payload": Narrow(0)}, ValueError, "payload=Narrow with an identifier of the format 'B'"),
        (
            {"reply": Narrow},
            ValueError,
            "reply=Narrow .*: allowed is a field of at least two bytes",
        ),
        ({"reply": Question}, ValueError, "^reply=Question: the community has a handler for mes"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_sent(options, error, says):
    async def main() -> None:
        alice = await Node().start()
        sent: list[Any] = []
        alice.endpoint.send = lambda *args: sent.append(args)
        given = {"community": alice.community, "peer": PEER, "payload": QUESTION, "reply": Answer}
        try:
            with pytest.raises(error, match=says):
                await asyncio.wait_for(tribler_udp_fix.request(**{**given, **options}), 5)
            assert sent == []
            assert exchanges_of(alice.community).line(PEER).open == 0
            assert not hasattr(Question, "identifier")
        finally:
            await alice.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"community": None}, "community=None: allowed is a Community"),
        ({"is_gone": 5}, "is_gone=5, no function: allowed is a function that returns"),
        ({"is_gone": later}, "is_gone=later, an async one: allowed is a function that returns"),
        ({"sig": "x"}, "sig='x': allowed is True or False"),
    ],
)
def test_so_is_what_a_cache_cannot_ask_with(options, says):
    community = SimpleNamespace(endpoint=None, ezr_pack=None)
    given = {"community": community, "peer": PEER, "payload": QUESTION}
    with pytest.raises(TypeError, match=says):
        tribler_udp_fix.Retrying().ask(**{**given, **options})


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"ttl": "5"}, TypeError, "ttl='5': allowed is a positive number of seconds"),
        ({"ttl": None}, TypeError, "ttl=None: allowed"),
        ({"ttl": True}, TypeError, "ttl=True: allowed"),
        ({"ttl": -1}, ValueError, "ttl=-1: allowed"),
        ({"ttl": 10**400}, ValueError, "ttl=1000.*000: allowed"),
        ({"size": True}, TypeError, "size=True: allowed is a whole number from 1"),
        ({"size": 1.5}, TypeError, "size=1.5: allowed"),
        ({"size": 0}, ValueError, "size=0: allowed"),
        ({"ttl": later}, TypeError, r"^ttl=later, a function: write @deduplicated\(\)$"),
    ],
)
def test_so_is_what_cannot_be_remembered(options, error, says):
    with pytest.raises(error, match=says):
        tribler_udp_fix.deduplicated(**options)


@pytest.mark.parametrize("handler", [5, None])
def test_so_is_a_handler_that_is_no_function(handler):
    with pytest.raises(TypeError, match=f"handler={handler}, no function: allowed is a function"):
        tribler_udp_fix.deduplicated()(handler)


def test_what_a_handler_returns_that_cannot_be_sent_is_an_error_and_it_does_not_run_again():
    handled: list[Any] = []

    def on_order(_community: Any, _peer: Any, question: Any) -> Any:
        handled.append(question.body)
        # The last has a number that does not fit into its field.
        return {b"5": 5, b"class": Answer}.get(question.body, Answer(1 << 16, b""))

    async def on_order_later(*args: Any) -> Any:
        await asyncio.sleep(0)
        return on_order(*args)

    async def handle(handler: Any, community: Any, body: bytes) -> None:
        later = handler(community, PEER, Question(1, body))
        if later is not None:
            await later

    async def main() -> None:
        alice = await Node().start()
        sent: list[Any] = []
        alice.endpoint.send = lambda *args: sent.append(args)
        for function in (on_order, on_order_later):
            handler = tribler_udp_fix.deduplicated()(function)
            name = function.__name__
            says = f"^{name} returned 5: allowed is a payload, or None$"
            for body, error, text in [
                (b"5", TypeError, says),
                (b"class", TypeError, f"^{name} returned <class .*: allowed is a payload, or None"),
                (b"large", PackError, "."),
            ]:
                handled.clear()
                with pytest.raises(error, match=text):
                    await handle(handler, alice.community, body)
                await handle(handler, alice.community, body)
                assert handled == [body]
        assert sent == []
        await alice.stop()

    asyncio.run(main())


class Nameless(tribler_udp_fix.Retrying, RandomNumberCache):  # type: ignore[misc]
    """A cache whose prefix is written where it is made."""

    def __init__(self, request_cache: Any) -> None:
        super().__init__(request_cache, "nameless")


class Named(Nameless):
    """One whose name only its caches have."""

    @property
    def name(self) -> str:
        return "nameless"


@pytest.mark.parametrize("kind", [Nameless, Named])
def test_a_cache_that_cannot_be_found_says_what_to_write(kind):
    says = f"^{kind.__name__} has no name: allowed is a class attribute, passed on as the prefix of"

    async def main() -> None:
        cache = RequestCache()
        cache.add(kind(cache))
        with pytest.raises(TypeError, match=says):
            kind.answered(cache, PEER, 1)
        await cache.shutdown()

    asyncio.run(main())


def test_a_request_that_cannot_begin_is_not_open(monkeypatch):
    async def main() -> None:
        alice = await Node().start()
        exchanges = exchanges_of(alice.community)
        monkeypatch.setattr(exchanges, "time", lambda _ipv6: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await tribler_udp_fix.request(alice.community, PEER, QUESTION, reply=Answer)
        assert exchanges.line(PEER).open == 0
        await alice.stop()

    asyncio.run(main())


@dataclasses.dataclass
class Numbered(VariablePayload):  # type: ignore[misc]
    """As IPv8's dataclasses are before the first of them is made: without names."""

    msg_id = 7
    identifier: int


@dataclasses.dataclass
class NotNumbered(VariablePayload):  # type: ignore[misc]
    msg_id = 7
    number: int


@pytest.mark.parametrize("kind", [Answer, Old, Numbered, Question(0, b""), Old()])
def test_whatever_may_have_an_identifier_may_be_asked_with(kind):
    check_identifier("reply", kind)


def test_a_dataclass_without_one_may_not():
    with pytest.raises(ValueError, match="reply=NotNumbered with the fields number: allowed is"):
        check_identifier("reply", NotNumbered)


BITS = (*(f"bit{number}" for number in range(7)), "identifier")


@dataclasses.dataclass
class Bit(VariablePayload):  # type: ignore[misc]
    """One as IPv8's dataclasses are before the first is made, and whose annotations are text."""

    msg_id = 7
    identifier: bool


def dataclass_of(identifier: Any) -> Any:
    fields, namespace = [("identifier", identifier)], {"msg_id": 7}
    return dataclasses.make_dataclass("Made", fields, bases=(VariablePayload,), namespace=namespace)


@pytest.mark.parametrize(
    ("kind", "packed"),
    [
        *((numbered("Small", small), small) for small in ("B", "b", "c", "?", "h")),
        (numbered("Small", "bits", names=BITS), "bits"),
        (numbered("Small", "bits", "B", names=(*BITS[:7], "bit7", "identifier")), "B"),
        (Bit, "?"),
        (dataclass_of(bool), "?"),
        (dataclass_of(type_from_format("B")), "B"),
    ],
)
def test_an_identifier_that_is_too_small_for_the_numbers_is_refused(kind, packed):
    says = rf"^reply={kind.__name__} with an identifier of the format '{re.escape(packed)}': allow"
    with pytest.raises(ValueError, match=says):
        check_format("reply", kind)


@pytest.mark.parametrize(
    "kind",
    [
        *(numbered("Large", large) for large in ("H", "I", "q", "Q", "a packer of its own")),
        numbered("Large", "bits", "H", names=(*BITS[:7], "bit7", "identifier")),
        numbered("Large", Question, [Question], "H", "B", names=("one", "many", "identifier", "x")),
        numbered("Nested", Question),
        numbered("Without", "B", names=("number",)),
        dataclass_of(int),
        dataclass_of("of a module that is not imported"),
        dataclass_of(type_from_format("H")),
        Numbered,
        NotNumbered,
        Old,
        Question(0, b""),
    ],
)
def test_one_that_is_large_enough_or_of_an_unknown_format_is_not(kind):
    check_format("reply", kind)


def test_a_payload_that_does_not_say_what_its_fields_are_may_be_asked_with():
    async def main() -> None:
        alice = await Node().start()
        alice.endpoint.send = lambda *_: None
        asking = tribler_udp_fix.request(alice.community, PEER, Old(), reply=Old, timeout=0.1)
        with pytest.raises(tribler_udp_fix.RequestTimeout):
            await asking
        await alice.stop()

    asyncio.run(main())
