"""Two IPv8 services with statistics, on loopback, whose communities talk: prints who heard what."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from ipv8.community import Community
from ipv8.configuration import ConfigBuilder
from ipv8.lazy_community import lazy_wrapper
from ipv8.messaging.lazy_payload import VariablePayload
from ipv8_service import IPv8

MESSAGES = 5


class Word(VariablePayload):  # type: ignore[misc]
    msg_id = 1
    format_list = ("H",)
    names = ("number",)


class Talking(Community):  # type: ignore[misc]
    """Remembers what it was told."""

    community_id = b"talking, and hearing"

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.add_message_handler(Word, self.on_word)
        self.heard: list[int] = []

    @lazy_wrapper(Word)
    def on_word(self, peer: Any, word: Any) -> None:
        self.heard.append(word.number)


def service() -> Any:
    builder = ConfigBuilder().clear_keys().clear_overlays()
    builder.set_log_level("CRITICAL")
    builder.set_address("127.0.0.1").set_port(20_000 + os.getpid() % 500 * 32)
    builder.add_ephemeral_key("me")
    # No walker and no bootstrapper: it speaks to nobody but the other service.
    builder.add_overlay("Talking", "me", [], [], {}, [])
    return IPv8(builder.finalize(), enable_statistics=True, extra_communities={"Talking": Talking})


async def main() -> None:
    services = [service(), service()]
    for each in services:
        await each.start()
    one, other = (each.get_overlay(Talking) for each in services)
    for each in services:
        each.endpoint.enable_community_statistics(one.get_prefix(), True)
    for number in range(MESSAGES):
        for sender, receiver in ((one, other), (other, one)):
            address = receiver.endpoint.get_address()
            sender.ez_send(type(receiver.my_peer)(receiver.my_peer.key, address), Word(number))
    await asyncio.sleep(0.5)
    counted = [each.endpoint.get_message_received(one.get_prefix()) for each in services]
    heard = [one.heard, other.heard]
    for each in services:
        await each.stop()
    print(json.dumps({"heard": heard, "counted": counted}))


asyncio.run(main())
