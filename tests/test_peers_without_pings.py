"""Peers that answer no ping, as those of a program without IPv8's discovery; those that move."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("it is the same there: tests/windows/test_peer_monitor.py", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")

from ipv8.community import Community
from ipv8.messaging.interfaces.udp.endpoint import UDPv4Address
from ipv8.peer import Peer
from ipv8.peerdiscovery.network import Network
from monitored import HOST, Endpoint, Node, scene

from tribler_udp_fix import PeerState


class Plain(Community):  # type: ignore[misc]
    """A community as a program's own: it answers introduction requests, and no ping."""

    community_id = bytes(range(20))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Node, "kind", Plain)


def test_one_datagram_that_is_lost_makes_nobody_gone(plain: None) -> None:
    async def main() -> None:
        async with scene(2) as here:
            await here.pass_time(5)
            lost: list[bytes] = []
            send = here.first.endpoint.send

            def lossy(address: Any, packet: bytes) -> None:
                if tuple(address) == here.others[0].address and not lost:
                    lost.append(packet)
                else:
                    send(address, packet)

            endpoint: Any = here.first.endpoint
            endpoint.send = lossy
            await here.pass_time(150)
            assert len(lost) == 1
            assert here.events == []
            assert here.states() == [PeerState.ALIVE] * 2

    asyncio.run(main())


def test_who_was_out_of_reach_is_found_again_though_it_says_nothing_by_itself(plain: None) -> None:
    async def main() -> None:
        async with scene(2) as here:
            await here.pass_time(5)
            Endpoint.deaf.add(here.others[0].address)
            await here.pass_time(150)
            assert here.events == [("gone", 0)]
            Endpoint.deaf.clear()
            await here.pass_time(80)
            assert here.events == [("gone", 0), ("returned", 0)]
            assert here.states() == [PeerState.ALIVE] * 2

    asyncio.run(main())


def test_so_are_all_of_them_where_nobody_was_heard_at_all(plain: None) -> None:
    async def main() -> None:
        async with scene(4) as here:
            await here.pass_time(5)
            Endpoint.deaf.update(other.address for other in here.others)
            await here.pass_time(200)
            Endpoint.deaf.clear()
            await here.pass_time(80)
            assert here.states() == [PeerState.ALIVE] * 4

    asyncio.run(main())


def test_who_is_met_again_elsewhere_is_asked_there_though_ipv8_tells_nobody(monkeypatch) -> None:
    for name in ("add_peer_observer", "remove_peer_observer"):  # as pyipv8 2.10's
        monkeypatch.delattr(Network, name)

    async def main() -> None:
        async with scene(3) as here:
            await here.pass_time(35)
            moved, known = here.others[0], here.peer(0)
            await moved.close()
            again = await Node().open()
            here.first.network.remove_peer(known)
            where = UDPv4Address(HOST, again.address[1])
            here.first.network.add_verified_peer(Peer(known.public_key, where))
            await here.pass_time(1)
            asked = here.monitor._peers[known.public_key.key_to_bin()].peer
            assert asked.address == where
            await again.close()

    asyncio.run(main())
