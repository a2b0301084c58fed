"""Endpoints that keep to an adapter, which others take the place of: prints JSON, as networks.py.

``python adapter_faults.py NAME...``, on Linux, in a network namespace of its own: see machine.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from typing import Any, AsyncIterator

sys.path.insert(0, os.path.dirname(__file__))

from adapters import tunnel
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
from machine import Sniffer, ip
from networks import node

import tribler_udp_fix
from tribler_udp_fix import RequestSockets, Settings, Watchdog
from tribler_udp_fix._asyncio import _interfaces, _netlink
from tribler_udp_fix._pool import _destination

HOST, OTHER, HOST6 = "10.80.0.2", "10.81.0.2", "fd80::2"
WORLD, WORLD6 = ("203.0.113.9", 9), ("2001:db8::9", 9)
QUICK = Settings(probe_after=0.5, probe_timeout=0.3, tick=0.1)


class Counter(asyncio.DatagramProtocol):
    """Knows how much it has heard."""

    heard = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard += 1


async def opened(host: str = "0.0.0.0") -> Any:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Counter, local_addr=(host, 0))
    return transport


async def say(transport: Any, address: Any = WORLD, seconds: float = 1.5) -> None:
    for _ in range(round(seconds / 0.05)):
        transport.sendto(b"anybody there?", address)
        await asyncio.sleep(0.05)


async def ipv6_routed_by_another() -> dict[str, Any]:
    """The adapter has an IPv6 address, and no way out but that of another one."""
    tunnel(HOST)
    ip(
        "-6 address add fd66::2/64 dev wire nodad",
        f"-6 address add {HOST6}/64 dev tunnel nodad",
        "-6 neighbour add fd66::1 lladdr 02:00:00:00:00:01 dev wire",
        "-6 route add default via fd66::1 dev wire",
    )
    wire = Sniffer("wire")
    transport = await opened("::")
    async with Watchdog(transport, QUICK, bind_interface="tunnel") as watchdog:
        await say(transport, WORLD6)
        (status,) = watchdog.status().endpoints
        outcome: dict[str, Any] = {"bound to": transport.get_extra_info("sockname")[0]}
        outcome["leaked"], outcome["heard"] = wire.datagrams(), status.probes["answered"] > 0
    transport.close()
    tribler_udp_fix.install(Settings(watch="none", bind_interface="tunnel"))
    async with RequestSockets() as sockets:
        for address in (WORLD, WORLD6):
            try:
                await sockets.ask(address, b"anybody there?", timeout=0.2, retries=0)
            except (OSError, asyncio.TimeoutError):
                continue
    outcome["asked"] = wire.datagrams()
    # Linux before 6.1 would connect it by way of the other one.
    with _destination._connected(socket.AF_INET, WORLD) as sock:
        bound = sock.getsockopt(socket.SOL_SOCKET, _interfaces._BIND_TO_INTERFACE)
        outcome["bound to device"] = bound == socket.if_nametoindex("tunnel")
    tribler_udp_fix.uninstall()
    return outcome


@contextlib.asynccontextmanager
async def kept() -> AsyncIterator[tuple[Any, Watchdog]]:
    """A transport that keeps to the adapter, and its watchdog."""
    tunnel(HOST)
    transport = await opened()
    async with Watchdog(transport, QUICK, bind_interface="tunnel") as watchdog:
        yield transport, watchdog
    transport.close()


async def comes_again_at_once() -> dict[str, Any]:
    """A VPN connects again: another adapter of the same name and address, before anybody looks."""
    async with kept() as (transport, watchdog):
        await asyncio.sleep(0.5)
        tunnel()
        tunnel(HOST)
        ip("neighbour add 203.0.113.9 lladdr 02:00:00:00:00:01 dev tunnel")
        await asyncio.sleep(1)
        new = Sniffer("tunnel")
        await say(transport)
        (status,) = watchdog.status().endpoints
        return {"leaves": new.datagrams() > 20, "state": status.state}


async def another_has_its_name() -> dict[str, Any]:
    """The adapter is renamed, stays as it is, and another one gets its name."""
    async with kept() as (transport, _):
        await asyncio.sleep(0.5)
        ip(
            "link set tunnel down",
            "link set tunnel name renamed",
            "link set renamed up",
            "link set tunnel-end name renamed-end",
        )
        tunnel(OTHER)
        await asyncio.sleep(1.5)
        outcome = {"bound to": transport.get_extra_info("sockname")[0]}
    ip("link del renamed")
    return outcome


async def kept_to_another_before() -> dict[str, Any]:
    """A transport that a watchdog has bound to another adapter; and then to one that is none."""
    tunnel(HOST)
    transport = await opened()
    async with Watchdog(transport, QUICK, bind_interface="wire"):
        await asyncio.sleep(0.3)
    wire = Sniffer("wire")
    async with Watchdog(transport, QUICK, bind_interface="tunnel"):
        await say(transport)
        bound_to = transport.get_extra_info("sockname")[0]
    async with Watchdog(transport, QUICK, bind_interface="nonesuch"):
        await say(transport, seconds=0.5)
    return {"bound to": bound_to, "leaked": wire.datagrams()}


async def added() -> dict[str, Any]:
    """Another transport is added to a watchdog that keeps to an adapter."""
    tunnel(HOST)
    first, second = await opened(), await opened()
    wire = Sniffer("wire")
    async with Watchdog(first, QUICK, bind_interface="tunnel") as watchdog:
        watchdog.add(second)
        await say(second, seconds=0.5)
    return {"leaked": wire.datagrams(), "bound to": second.get_extra_info("sockname")[0]}


async def without_the_option() -> dict[str, Any]:
    """The system, or a sandbox, knows no such option."""
    _interfaces._UNICAST_IF = dict.fromkeys(_interfaces._UNICAST_IF, (0, 9999))
    wire = Sniffer("wire")
    async with kept() as (transport, _):
        await say(transport, seconds=0.5)
    return {"leaked": wire.datagrams()}


async def refused() -> dict[str, Any]:
    """A program's own socket cannot be moved: what is watched then without that goes on."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    transport, counter = await loop.create_datagram_endpoint(Counter, sock=sock)
    with contextlib.suppress(ValueError):
        Watchdog(transport, QUICK, bind_interface="nonesuch").start()
    async with Watchdog(transport, QUICK):
        transport.sendto(b"hello", transport.get_extra_info("sockname"))
        await asyncio.sleep(0.3)
    outcome = {"heard": counter.heard, "closed": transport.is_closing()}
    transport.close()
    return outcome


async def had_received() -> dict[str, Any]:
    """What a socket has received that is given up for one that keeps to the adapter."""
    tunnel(HOST)
    transport = await opened()
    port = transport.get_extra_info("sockname")[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(200):
            peer.sendto(b"hello", ("127.0.0.1", port))
    async with Watchdog(transport, QUICK, bind_interface="tunnel"):
        await asyncio.sleep(0.5)
    outcome = {"heard": transport.get_protocol().heard}
    transport.close()
    return outcome


async def opened_by_ipv8() -> dict[str, Any]:
    """IPv8 opens an endpoint by itself, and again, that is watched by hand without install()."""
    tribler_udp_fix.uninstall()
    tunnel(HOST)
    endpoint = UDPEndpoint(port=8090, ip="0.0.0.0")
    outcome = []
    await endpoint.open()
    async with Watchdog(endpoint, QUICK, bind_interface="tunnel"):
        for _ in range(2):
            await asyncio.sleep(0.6)
            outcome.append(endpoint.get_address()[0])
            endpoint.close()
            await asyncio.sleep(0.3)
            await endpoint.open()
        endpoint.close()
    return {"bound to": outcome}


async def many_addresses() -> dict[str, Any]:
    """Others get many addresses, while the adapter has none: how often it is looked for."""
    tunnel(HOST)
    ip(f"address del {HOST}/24 dev tunnel")
    looks = 0
    ask = _netlink.addresses

    def counted() -> Any:
        nonlocal looks
        looks += 1
        return ask()

    _netlink.addresses = counted
    transport = await opened()
    async with Watchdog(transport, QUICK, bind_interface="tunnel"):
        await asyncio.sleep(0.5)
        looks = 0
        for number in range(100):
            ip(f"address add 10.90.0.{number}/32 dev vpn")
        await asyncio.sleep(1)
    _netlink.addresses = ask
    transport.abort()
    return {"few": looks < 50}


async def its_lan_address_while_there_is_none() -> dict[str, Any]:
    """The adapter is not there: no community takes 0.0.0.0 for its address."""
    tunnel()
    tribler_udp_fix.install(Settings(bind_interface="tunnel", tick=0.1))
    one = node(("UDPIPv4", "0.0.0.0", 8090))
    await one.start()
    ip("address add 10.66.1.9/24 dev wire", "route replace default via 10.66.1.1 src 10.66.1.9")
    await asyncio.sleep(4)
    lan = one.overlays[0]._my_estimated_lan
    ip("route replace default via 10.66.1.1", "address del 10.66.1.9/24 dev wire")
    await one.stop()
    tribler_udp_fix.uninstall()
    return {"lan": lan}


async def main(names: list[str]) -> None:
    outcomes = {}
    for name in names:
        tunnel()  # what one that failed has left
        outcomes[name] = await globals()[name]()
    print(json.dumps(outcomes))


if __name__ == "__main__":
    tribler_udp_fix.install(Settings(watch="none"))
    asyncio.run(main(sys.argv[1:]))
