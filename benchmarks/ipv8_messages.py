"""Two real IPv8 communities that exchange messages, each on an endpoint of its own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ipv8.community import Community, CommunitySettings
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.lazy_community import lazy_wrapper, lazy_wrapper_unsigned
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
from ipv8.messaging.lazy_payload import VariablePayload, vp_compile
from ipv8.peer import Peer
from ipv8.peerdiscovery.network import Network

HOST = "127.0.0.1"
FILLING = bytes(400)


@vp_compile
class Signed(VariablePayload):
    """A message that its sender signs."""

    msg_id = 1
    format_list = ["I", "varlenH"]  # noqa: RUF012
    names = ["number", "filling"]  # noqa: RUF012


@vp_compile
class Unsigned(VariablePayload):
    """The same without a signature."""

    msg_id = 2
    format_list = ["I", "varlenH"]  # noqa: RUF012
    names = ["number", "filling"]  # noqa: RUF012


class Exchange(Community):
    """Answers each message with the next one."""

    community_id = b"udp-fix benchmarks 1"

    def __init__(self, settings: CommunitySettings) -> None:
        super().__init__(settings)
        self.heard = 0
        self.running = True
        self.add_message_handler(Signed, self.on_signed)
        self.add_message_handler(Unsigned, self.on_unsigned)

    @lazy_wrapper(Signed)
    def on_signed(self, peer: Peer, payload: Any) -> None:
        self.heard += 1
        if self.running:
            self.say(peer.address, payload.number + 1, signed=True)

    @lazy_wrapper_unsigned(Unsigned)
    def on_unsigned(self, address: Any, payload: Any) -> None:
        self.heard += 1
        if self.running:
            self.say(address, payload.number + 1, signed=False)

    def say(self, address: Any, number: int, *, signed: bool) -> None:
        """Send one message."""
        if signed:
            data = self.ezr_pack(Signed.msg_id, Signed(number, FILLING))
        else:
            data = self.ezr_pack(Unsigned.msg_id, Unsigned(number, FILLING), sig=False)
        self.endpoint.send(address, data)


async def exchange(seconds: float, in_flight: int, signed: bool) -> float:
    """Return how many messages a second two communities heard, both together."""
    made = [await _community() for _ in range(2)]
    one, other = made
    address = (HOST, other.endpoint._transport.get_extra_info("sockname")[1])
    began = time.perf_counter()
    for number in range(in_flight):
        one.say(address, number, signed=signed)
    await asyncio.sleep(seconds)
    heard, took = one.heard + other.heard, time.perf_counter() - began
    for community in made:
        community.running = False
    await asyncio.sleep(0.1)
    for community in made:
        await community.unload()
        community.endpoint.close()
    await asyncio.sleep(0.05)
    return heard / took


async def _community() -> Exchange:
    endpoint = UDPEndpoint(port=0, ip=HOST)
    if not await endpoint.open():
        raise OSError("the endpoint did not open")
    peer = Peer(default_eccrypto.generate_key("curve25519"))
    settings = CommunitySettings(my_peer=peer, endpoint=endpoint, network=Network())
    return Exchange(settings)
