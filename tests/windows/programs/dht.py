"""A kademlia network of ten nodes, two of which are hurt.

``python dht.py`` prints which of its values each of the two, and the others, found, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from hurt import DEAF, LOST, lose, mended, play
from kademlia.network import Server

NODES, VALUES = 10, 10
KEPT = 3  # nodes that keep a value, so that the others have to ask
HIT = {2: LOST, 7: DEAF}
TIMEOUT = 1.0  # seconds that a node waits for an answer, once all is set
MENDED = 6.0  # seconds in which the watchdog has mended whom it can


async def find() -> dict[str, Any]:
    """Set the values, hurt two, and tell what is found."""
    nodes = [Server(ksize=KEPT) for _ in range(NODES)]
    for node in nodes:
        await node.listen(0, "127.0.0.1")
    address = nodes[0].transport.get_extra_info("sockname")
    for node in nodes[1:]:
        await node.bootstrap([address])
    for number in range(VALUES):
        assert await nodes[number].set(f"key {number}", number)
    for node in nodes:  # not before: whom a busy machine is late for would have no neighbours
        node.protocol._wait_timeout = TIMEOUT
    with contextlib.ExitStack() as stack:
        for place, until in HIT.items():
            lose(stack, nodes[place].transport, until)
        await asyncio.sleep(MENDED)
        found = await asyncio.gather(*(_found(node) for node in nodes))
        done = mended()
    for node in nodes:
        node.stop()
    hit = [found[place] for place in HIT]
    others = [count for place, count in enumerate(found) if place not in HIT]
    return {"hit": hit, "others": others, "mended": done}


async def _found(node: Any) -> int:
    """How many of the values a node finds."""
    values = await asyncio.gather(*(node.get(f"key {number}") for number in range(VALUES)))
    return values.count(None) * -1 + len(values)


if __name__ == "__main__":
    play(find())
