"""Communities over real sockets, of which one asks and others answer, each question once."""

from __future__ import annotations

import asyncio
from importlib import metadata
from typing import Any

from ipv8.community import Community
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.lazy_community import lazy_wrapper, lazy_wrapper_unsigned
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
from ipv8.messaging.lazy_payload import VariablePayload, vp_compile
from ipv8.peer import Peer
from ipv8.peerdiscovery.network import Network
from ipv8.requestcache import RequestCache

import tribler_udp_fix

IPV8 = tuple(map(int, metadata.version("pyipv8").split(".")))
HOST = "127.0.0.1"
KEYS = "curve25519" if IPV8 >= (3, 2, 1) else "very-low"  # before, those take libsodium


def _payload(name: str, number: int) -> Any:
    fields = {"msg_id": number, "format_list": ["H", "varlenH"], "names": ["identifier", "body"]}
    return vp_compile(type(name, (VariablePayload,), fields))


Question, Answer = _payload("Question", 1), _payload("Answer", 2)
Unsigned, UnsignedAnswer = _payload("Unsigned", 3), _payload("UnsignedAnswer", 4)


class Asking(Community):  # type: ignore[misc]
    """Answers each question with its body, and remembers which it was asked."""

    community_id = b"tribler_udp_fix asks"

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.request_cache = RequestCache()
        self.handled: list[bytes] = []
        self.add_message_handler(Question, self.on_question)
        self.add_message_handler(Unsigned, self.on_unsigned)

    @lazy_wrapper(Question)
    @tribler_udp_fix.deduplicated()
    def on_question(self, peer: Any, question: Any) -> Any:
        self.handled.append(question.body)
        return Answer(question.identifier, question.body)

    @lazy_wrapper_unsigned(Unsigned)
    @tribler_udp_fix.deduplicated(size=20_000)
    async def on_unsigned(self, address: Any, question: Any) -> Any:
        self.handled.append(question.body)
        await asyncio.sleep(0)
        return UnsignedAnswer(question.identifier, question.body)

    async def unload(self) -> None:
        await self.request_cache.shutdown()
        await super().unload()


class Node:
    """One community on an endpoint of its own."""

    community: Any

    async def start(self) -> Node:
        self.endpoint = UDPEndpoint(0, HOST)
        assert await self.endpoint.open()
        made = Peer(default_eccrypto.generate_key(KEYS)), self.endpoint, Network(), 20
        if hasattr(Asking, "settings_class"):  # from pyipv8 3.0 on
            names = ("my_peer", "endpoint", "network", "max_peers")
            self.community = Asking(Asking.settings_class(**dict(zip(names, made))))
        else:
            self.community = Asking(*made)
        # Lest a fast loop meets it with each ten seconds: an executor would be at work.
        self.community.cancel_pending_task("discover_lan_addresses")
        return self

    @property
    def peer(self) -> Any:
        """Itself, as others know it."""
        return Peer(self.community.my_peer.public_key, self.endpoint.get_address())

    async def ask(self, other: Node, body: bytes, **options: Any) -> Any:
        """What *other* answers to a signed question."""
        question = Question(0, body)
        peer = options.pop("peer", None) or other.peer
        answer = await tribler_udp_fix.request(
            self.community, peer, question, reply=Answer, **options
        )
        return answer.body

    async def ask_unsigned(self, other: Node, body: bytes, **options: Any) -> Any:
        """The same without signatures."""
        question = Unsigned(0, body)
        answer = await tribler_udp_fix.request(
            self.community, other.peer, question, reply=UnsignedAnswer, sig=False, **options
        )
        return answer.body

    async def stop(self) -> None:
        await self.community.unload()
        self.endpoint.close()
        await asyncio.sleep(0)
