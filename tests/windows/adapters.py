"""Endpoints that keep to a network adapter, which comes and goes: prints JSON, as networks.py does.

``python adapters.py NAME...``, in a network namespace of its own: see machine.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(__file__))

from communities import service
from machine import Sniffer, ip
from networks import PLUGIN, SILENT, heard_after, main, node, reasons, stop, watched

# Wine never learns that an adapter of a name that it knows has come again as another.
INDEX = "index 77" if sys.platform == "win32" else ""
TUNNEL, OTHER_TUNNEL = "10.80.0.2", "10.80.0.9"  # of an adapter that comes and goes


def tunnel(address: str = "") -> None:
    """Have a network adapter "tunnel" with that *address*; without one, none."""
    commands = ["link del tunnel"]
    if address:
        commands = [
            f"link add tunnel {INDEX} type veth peer name tunnel-end",
            f"address add {address}/24 dev tunnel",
            "link set tunnel-end up",
            "link set tunnel up",
        ]
    ip(*commands, check=bool(address))


async def say_to_the_world(one: Any, seconds: float) -> None:
    """Have *one* send where the way leads over the wire."""
    (leaf,) = one.endpoint.interfaces.values()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):  # IPv8 alone, on a socket whose address has gone
            leaf.send(("203.0.113.9", 9), b"anybody there?")
        await asyncio.sleep(0.05)


async def kept_to_an_adapter() -> dict[str, Any]:
    """Bound to an adapter, by its name where that can be: it goes and comes back elsewhere."""
    wire = Sniffer("wire")
    tunnel(TUNNEL)
    host = "0.0.0.0" if PLUGIN else TUNNEL
    one = node(("UDPIPv4", host, 8090))
    outcome: dict[str, Any] = {}
    await one.start()
    outcome["bound to"] = one.endpoint.get_address()
    outcome["lan"] = one.overlays[0].my_estimated_lan[0]
    wire.datagrams()
    await say_to_the_world(one, 0.5)
    tunnel()
    await say_to_the_world(one, SILENT)
    outcome["reasons"] = reasons()
    outcome["leaked"] = wire.datagrams()
    tunnel(OTHER_TUNNEL)
    start = time.monotonic()
    while time.monotonic() - start < 6 and one.endpoint.get_address()[0] != OTHER_TUNNEL:
        await asyncio.sleep(0.05)
    outcome["follows"] = round(time.monotonic() - start, 2)
    outcome["then"] = one.endpoint.get_address()
    outcome["lan then"] = one.overlays[0].my_estimated_lan[0]
    await say_to_the_world(one, 0.3)
    outcome["leaked then"] = wire.datagrams()
    other = node(("UDPIPv4", OTHER_TUNNEL, 0))
    await other.start()
    outcome["heard"] = await heard_after(one, other, (OTHER_TUNNEL, 8090), 3) is not None
    await stop(one, other)
    tunnel()
    return outcome


async def an_adapter_that_comes() -> dict[str, Any]:
    """The adapter is not there at the start."""
    tunnel()
    one = node(("UDPIPv4", "0.0.0.0", 8090), ("UDPIPv6", "::", 8090))
    await one.start()
    wire = Sniffer("wire")
    one.endpoint.send(("203.0.113.9", 9), b"anybody there?")
    await asyncio.sleep(0.5)
    outcome: dict[str, Any] = {"leaked": wire.datagrams(), "reasons": reasons()}
    tunnel(TUNNEL)
    start = time.monotonic()
    leaf = one.endpoint.interfaces["UDPIPv4"]
    while time.monotonic() - start < 6 and not leaf._transport.has_socket:
        await asyncio.sleep(0.05)
    outcome["open after"] = round(time.monotonic() - start, 2)
    outcome["bound to"] = leaf.get_address()
    # Until the one is proved, and the other, which tries again in its own time, knows of it too.
    while not settled(reasons()) and time.monotonic() - start < 9:
        await asyncio.sleep(0.1)
    outcome["reasons then"] = reasons()
    await stop(one)
    tunnel()
    return outcome


def settled(told: list[str]) -> bool:
    return "" in told and not any("is not on this machine" in reason for reason in told)


async def rust_that_keeps_to_an_adapter() -> dict[str, Any]:
    """The endpoint of ipv8-rust-tunnels: the adapter comes after the start, and comes elsewhere."""
    from ipv8_rust_tunnels.endpoint import Endpoint

    tunnel()
    wire = Sniffer("wire")
    one = service([], Endpoint(8090, "0.0.0.0", worker_threads=2))
    away = ("203.0.113.9", 9)
    await one.start()
    one.endpoint.send(away, b"anybody there?")
    await asyncio.sleep(0.5)
    outcome: dict[str, Any] = {
        "leaked": wire.datagrams(),
        "parked": one.endpoint.get_address(),
        "state": [endpoint.state for endpoint in watched()],
        "reasons": reasons(),
    }
    outcome["then"] = []
    for address in (TUNNEL, OTHER_TUNNEL):
        tunnel(address)
        start = time.monotonic()
        while time.monotonic() - start < 8 and one.endpoint.get_address()[0] != address:
            await asyncio.sleep(0.05)
        outcome["then"].append(one.endpoint.get_address())
        while "" not in reasons() and time.monotonic() - start < 9:  # until it is proved
            await asyncio.sleep(0.1)
        other = node(("UDPIPv4", address, 0))
        await other.start()
        heard = await heard_after(one, other, (address, 8090), 3)
        outcome["then"].append(heard is not None)
        await stop(other)
        tunnel()
        one.endpoint.send(away, b"anybody there?")
        await asyncio.sleep(SILENT)
        outcome["leaked"] += wire.datagrams()
    outcome["lan"] = one.overlays[0].my_estimated_lan[0]
    await stop(one)
    return outcome


async def probes_that_stay_here() -> dict[str, Any]:
    """A transport that is bound to a device, and one bound to a multicast group, are watched."""
    from tribler_udp_fix import Settings, Watchdog

    tunnel(TUNNEL)
    wire = Sniffer("wire")
    loop = asyncio.get_running_loop()
    transports = []
    for host in ("0.0.0.0", "239.1.2.3"):
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(host, 0)
        )
        transports.append(transport)
    view = transports[0].get_extra_info("socket")
    view.setsockopt(socket.SOL_SOCKET, 25, b"tunnel\0")  # SO_BINDTODEVICE
    settings = Settings(probe_after=0.1, probe_timeout=0.1, tick=0.05, retry_cap=1)
    async with Watchdog(transports, settings) as watchdog:
        await asyncio.sleep(2)
        told = watchdog.status().endpoints
    outcome = {
        "leaked": wire.datagrams(),
        "missed": [endpoint.probes["missed"] for endpoint in told],
        "rebinds": [endpoint.rebinds for endpoint in told],
        "reasons": [endpoint.reason.partition(";")[0] for endpoint in told],
    }
    for transport in transports:
        transport.close()
    return outcome


async def a_transport_that_keeps_to_an_adapter() -> dict[str, Any]:
    """A plain asyncio transport, bound to all, is told to keep to an adapter by its name."""
    from tribler_udp_fix import Watchdog

    tunnel(TUNNEL)
    wire = Sniffer("wire")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("0.0.0.0", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    transport.sendto(b"before", ("203.0.113.9", 9))
    outcome: dict[str, Any] = {"before": wire.datagrams()}
    async with Watchdog(transport, bind_interface="tunnel") as watchdog:
        transport.sendto(b"at once", ("203.0.113.9", 9))
        await asyncio.sleep(1)
        address = transport.get_extra_info("sockname")
        (endpoint,) = watchdog.status().endpoints
        outcome["bound to"] = [address[0], address[1] == port]
        outcome["state"], outcome["interface"] = endpoint.state, endpoint.interface
        transport.sendto(b"later", ("203.0.113.9", 9))
        tunnel()
        await asyncio.sleep(SILENT)
        outcome["reason"] = watchdog.status().endpoints[0].reason
        transport.sendto(b"nowhere", ("203.0.113.9", 9))
    outcome["leaked"] = wire.datagrams()
    transport.close()
    return outcome


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:], globals()))
