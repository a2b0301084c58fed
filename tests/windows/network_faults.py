"""Six IPv8 nodes, one of them on a machine whose network fails: ``python network_faults.py``.

``others FAULT`` is five nodes and their tracker, which IPv8 takes for nobody's peer; they run until
stdin ends. ``victim FAULT SECONDS`` is the sixth, in another network namespace: it meets them,
suffers the fault for so long, and prints as JSON after how many seconds from its end it heard the
first of them, and all of them. tests/winlab/networks.py runs both. Whether the plugin is on is for
whoever starts it to say.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from typing import Any, AsyncIterator, Callable

sys.path.insert(0, os.path.dirname(__file__))

from ipv8.configuration import (
    Bootstrapper,
    BootstrapperDefinition,
    ConfigBuilder,
    Strategy,
    WalkerDefinition,
)
from ipv8_service import IPv8
from machine import Sniffer, ip
from networks import PLUGIN, stop, watched

WIRE, VPN = ("10.66.1.2", "10.66.1.1"), ("10.78.0.2", "10.78.0.1")  # the victim's, the others'
OTHER_WIRE, OTHER_VPN = "10.66.1.9", "10.78.0.9"
OTHERS = 5
PORT, TRACKER = 8090, 9000
PATIENCE = 180.0  # seconds, after the fault

rebinding: list[Any] = []  # a loop keeps its tasks by weak references only
jump = contextlib.ExitStack()  # of the clock, until all is measured


def node(host: str, port: int, tracker: str) -> Any:
    """A node that looks for peers, and drops those that are silent, as programs do."""
    configuration = (
        ConfigBuilder()
        .clear_keys()
        .clear_overlays()
        .set_address(host)
        .set_port(port)
        .add_ephemeral_key("me")
        .add_overlay(
            "DiscoveryCommunity",
            "me",
            [
                WalkerDefinition(Strategy.RandomWalk, 20, {"timeout": 3.0}),
                WalkerDefinition(Strategy.RandomChurn, -1, {}),
            ],
            [
                BootstrapperDefinition(
                    Bootstrapper.DispersyBootstrapper,
                    {"ip_addresses": [(tracker, TRACKER)], "dns_addresses": []},
                )
            ],
            {},
            [],
        )
    )
    return IPv8(configuration.finalize())


def tracker_of(adapter: str) -> str:
    return {"vpn": VPN, "wire": WIRE}[adapter][1]


async def others(adapter: str) -> None:
    tracker = tracker_of(adapter)
    nodes = [node(ALL, TRACKER + number, tracker) for number in range(OTHERS + 1)]
    for one in nodes:
        await one.start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await stop(*nodes)


@contextlib.asynccontextmanager
async def address_gone(_victim: Any) -> AsyncIterator[None]:
    ip(f"address del {VPN[0]}/24 dev vpn")
    yield
    ip(f"address add {VPN[0]}/24 dev vpn")


@contextlib.asynccontextmanager
async def another_address(_victim: Any) -> AsyncIterator[None]:
    ip(f"address del {WIRE[0]}/24 dev wire")
    yield
    ip(
        f"address add {OTHER_WIRE}/24 dev wire",
        f"route replace default via {WIRE[1]} dev wire",
    )


@contextlib.asynccontextmanager
async def adapter_down(_victim: Any) -> AsyncIterator[None]:
    ip("link set wire down")
    yield
    ip("link set wire up", f"route replace default via {WIRE[1]} dev wire")


@contextlib.asynccontextmanager
async def vpn_off(_victim: Any) -> AsyncIterator[None]:
    ip(f"address del {VPN[0]}/24 dev vpn", "link set vpn down")
    yield
    ip("link set vpn up", f"address add {VPN[0]}/24 dev vpn")


@contextlib.asynccontextmanager
async def another_vpn(_victim: Any) -> AsyncIterator[None]:
    """The adapter itself goes, as a VPN program's does, and comes with another address."""
    ip("link set vpn name gone", f"address del {VPN[0]}/24 dev gone", "link set gone down")
    yield
    ip("link set gone name vpn", "link set vpn up", f"address add {OTHER_VPN}/24 dev vpn")


@contextlib.asynccontextmanager
async def port_taken(victim: Any) -> AsyncIterator[None]:
    from tribler_udp_fix._watchdog._ipv8_service import watchdog_of
    from tribler_udp_fix.testing import taken_port

    (leaf,) = victim.endpoint.interfaces.values()
    with taken_port(leaf):
        await watchdog_of(victim).rebind()  # type: ignore[union-attr]
        yield


@contextlib.asynccontextmanager
async def port_reserved(victim: Any) -> AsyncIterator[None]:
    """This process may not have ports below 9000 again: it goes without CAP_NET_BIND_SERVICE."""
    from tribler_udp_fix._watchdog._ipv8_service import watchdog_of

    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w", encoding="ascii") as file:
        file.write(str(TRACKER))
    yield
    rebinding.append(asyncio.ensure_future(watchdog_of(victim).rebind()))  # type: ignore[union-attr]


@contextlib.asynccontextmanager
async def resume(victim: Any) -> AsyncIterator[None]:
    """As after an hour's sleep: everybody has forgotten it, and it has forgotten everybody."""
    async with adapter_down(victim):
        yield
        overlay = victim.overlays[0]
        for peer in overlay.get_peers():
            overlay.network.remove_peer(peer)
    if PLUGIN:
        from tribler_udp_fix.testing import clock_jump

        jump.enter_context(clock_jump(3600.0))


ALL = "0.0.0.0"
FAULTS: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "address gone": (address_gone, "vpn", VPN[0]),
    "another address": (another_address, "wire", ALL),
    "adapter down": (adapter_down, "wire", ALL),
    "VPN off and on, bound by address": (vpn_off, "vpn", VPN[0]),
    # IPv8 alone knows no names: it is bound to the address.
    "VPN off and on, bound by name": (another_vpn, "vpn", ALL if PLUGIN else VPN[0]),
    "port taken": (port_taken, "wire", ALL),
    "port reserved": (port_reserved, "wire", ALL),
    "resume after an hour": (resume, "wire", ALL),
}
"""For each how it is made, the adapter of the victim, and the address that it is bound to."""


async def until(condition: Callable[[], bool], seconds: float) -> float | None:
    """After how many seconds that is so, None for not within so many."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            return None
        await asyncio.sleep(0.05)
    return round(time.monotonic() - start, 2)


async def victim(fault: str, seconds: float) -> dict[str, Any]:
    make, adapter, host = FAULTS[fault]
    wrong = Sniffer("vpn" if adapter == "wire" else "wire")
    one = node(host, PORT, tracker_of(adapter))
    overlay = one.overlays[0]
    heard: set[Any] = set()
    on_packet = overlay.on_packet

    def listen(packet: Any, *args: Any, **kwargs: Any) -> None:
        if packet[0][1] != TRACKER:
            heard.add(packet[0][1])
        on_packet(packet, *args, **kwargs)

    overlay.on_packet = listen
    await one.start()
    met = await until(lambda: len(overlay.get_peers()) == OTHERS, 60)
    assert met is not None, "they did not meet"
    wrong.datagrams()
    async with make(one):
        await asyncio.sleep(seconds)
        said = [endpoint.reason for endpoint in watched()] if PLUGIN else []
        leaked = wrong.datagrams()
        heard.clear()
    start = time.monotonic()
    first = await until(lambda: bool(heard), PATIENCE)
    rest = await until(
        lambda: len(heard) == OTHERS == len(overlay.get_peers()),
        PATIENCE - (time.monotonic() - start),
    )
    outcome = {
        "first": first,
        "all": None if first is None or rest is None else round(first + rest, 2),
        "leaked": leaked + wrong.datagrams(),
        "reasons": said,
        "port": one.endpoint.interfaces["UDPIPv4"].get_address()[1],
    }
    jump.close()
    await stop(one)
    return outcome


if __name__ == "__main__":
    if sys.argv[1] == "others":
        asyncio.run(others(FAULTS[sys.argv[2]][1]))
    else:
        print(json.dumps(asyncio.run(victim(sys.argv[2], float(sys.argv[3])))))
