"""IPv8 on a network that changes: prints what it saw, as JSON: ``python networks.py NAME...``

Whether the plugin is on is for the environment variable to say. What needs another address runs in
a network namespace of its own, and changes that (machine.py); nothing leaves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from typing import Any

sys.path.insert(0, os.path.dirname(__file__))

from communities import service
from ipv8.messaging.interfaces.dispatcher.endpoint import DispatcherEndpoint
from machine import Sniffer, ip

ELSEWHERE = "2001:db8::9"  # for documentation only
FAR = "10.77.0.7"  # what comes and goes
UNUSED = "10.79.0.7"  # the same, and no endpoint is bound to it
PLUGIN = "tribler_udp_fix" in sys.modules
SILENT = 3.0  # seconds without the address, which is longer than the probes' patience


class Records(logging.Handler):
    """Counts the tracebacks that are logged."""

    def __init__(self) -> None:
        super().__init__()
        self.tracebacks = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.tracebacks += bool(record.exc_info) or "Traceback" in record.getMessage()


def node(*interfaces: tuple[str, str, int]) -> Any:
    """An IPv8 instance on these interfaces: name, address, port."""
    specs = {name: {"ip": ip, "port": port} for name, ip, port in interfaces}
    return service([], DispatcherEndpoint(list(specs), **specs))


def watched() -> list[Any]:
    import tribler_udp_fix

    status = tribler_udp_fix.status()
    return [endpoint for watchdog in status.watchdogs for endpoint in watchdog.endpoints]


def try_to_send(endpoint: Any, address: Any) -> str:
    try:
        endpoint.send(address, b"anybody there?")
    except Exception as exc:  # whatever a community would meet is the result
        return type(exc).__name__
    return "nothing"


async def heard_after(one: Any, other: Any, address: Any, seconds: float) -> float | None:
    """After how many seconds *one*, at *address*, hears what *other* says all the time."""
    start = time.monotonic()
    before = len(one.overlays[0].heard)
    while time.monotonic() - start < seconds:
        other.overlays[0].say(address, b"hello")
        await asyncio.sleep(0.05)
        if len(one.overlays[0].heard) > before:
            return round(time.monotonic() - start, 2)
    return None


async def stop(*nodes: Any) -> str:
    """Stop the nodes; "clean", or what that raised: IPv8 alone closes a transport that is None."""
    raised = "clean"
    for one in nodes:
        try:
            await one.stop()
        except AttributeError as exc:
            raised = type(exc).__name__
    return raised


def reasons() -> list[str]:
    return sorted({endpoint.reason for endpoint in watched()}) if PLUGIN else []


def not_opened() -> int:
    """How many endpoints the status counts that could not be opened."""
    if not PLUGIN:
        return 0
    import tribler_udp_fix

    return int(tribler_udp_fix.status().counters.get("ipv8_endpoints_not_opened", 0))


async def one_of_two() -> dict[str, Any]:
    """One interface cannot be opened: the other one is unharmed."""
    one = node(("UDPIPv4", "127.0.0.1", 0), ("UDPIPv6", ELSEWHERE, 8090))
    other = node(("UDPIPv4", "127.0.0.1", 0))
    await one.start()
    await other.start()
    raised = try_to_send(one.endpoint, ("2001:db8::1", 9))
    heard = await heard_after(one, other, one.endpoint.interfaces["UDPIPv4"].get_address(), 5)
    outcome = {"raised": raised, "heard": heard is not None, "reasons": reasons()}
    await stop(one, other)
    return outcome


async def none_at_all() -> dict[str, Any]:
    """The only interface cannot be opened: no core is burnt, and stop() is clean."""
    one = node(("UDPIPv6", ELSEWHERE, 8090))  # Wine binds IPv4 to any
    await one.start()
    await asyncio.sleep(0.5)
    start, busy = time.monotonic(), time.process_time()
    await asyncio.sleep(4)
    share = (time.process_time() - busy) / (time.monotonic() - start)
    outcome: dict[str, Any] = {
        "core": share,
        "raised": try_to_send(one.endpoint, ("::1", 9)),
        "reasons": reasons(),
    }
    for endpoint in watched() if PLUGIN else ():
        outcome.update(state=endpoint.state, lost=endpoint.lost)
        outcome.update(bound=endpoint.bound, configured=endpoint.configured)
    outcome["stop"] = await stop(one)
    return outcome


async def taken_and_uninstalled() -> dict[str, Any]:
    """The repairs are taken back while the port is taken: it is as open as it was."""
    import tribler_udp_fix
    from tribler_udp_fix.testing import taken_port

    one, other = node(("UDPIPv4", "127.0.0.1", 0)), node(("UDPIPv4", "127.0.0.1", 0))
    await one.start()
    await other.start()
    (leaf,) = one.endpoint.interfaces.values()
    address = leaf.get_address()
    with taken_port(leaf):
        from tribler_udp_fix._watchdog._ipv8_service import watchdog_of

        await watchdog_of(one).rebind()  # type: ignore[union-attr]
        said = reasons()
        tribler_udp_fix.uninstall()
        await asyncio.sleep(0.2)
        raised = try_to_send(one.endpoint, ("127.0.0.1", 9))
        is_open = one.endpoint.is_open()
    heard = await heard_after(one, other, address, 8)
    await stop(one, other)
    port = address[1]
    return {
        "raised": raised,
        "open": is_open,
        "heard": heard,
        "reasons": [reason.replace(str(port), "PORT") for reason in said],
    }


def have(address: str, there: bool) -> None:
    """Have this machine an *address*, or not."""
    action = "replace" if there else "del"
    ip(f"address {action} {address}/24 dev vpn", check=there)


async def stop_and_start() -> dict[str, Any]:
    """A program stops its node and starts another one at the same port."""
    one = node(("UDPIPv4", "127.0.0.1", 0))
    await one.start()
    address = one.endpoint.get_address()
    ports = []
    for _ in range(3):
        await stop(one)
        one = node(("UDPIPv4", *address))
        await one.start()
        ports.append(one.endpoint.get_address()[1] - address[1])
    await stop(one)
    return {"moved": ports}


async def appears() -> dict[str, Any]:
    """The address comes after the start."""
    have(FAR, False)
    one, other = node(("UDPIPv4", FAR, 8090)), node(("UDPIPv4", "0.0.0.0", 0))
    await one.start()
    await other.start()
    await asyncio.sleep(SILENT)
    said = reasons()
    have(FAR, True)
    outcome = {
        "heard": await heard_after(one, other, (FAR, 8090), 8),
        "reasons": said,
        "not opened": not_opened(),
    }
    await stop(one, other)
    return outcome


async def away() -> dict[str, Any]:
    """The address goes and comes back, as a VPN's does."""
    wire = Sniffer("wire")
    have(FAR, True)
    one, other = node(("UDPIPv4", FAR, 8090)), node(("UDPIPv4", "0.0.0.0", 0))
    await one.start()
    await other.start()
    first = await heard_after(one, other, (FAR, 8090), 5)
    (leaf,) = one.endpoint.interfaces.values()
    sock = leaf._transport.get_extra_info("socket").fileno()
    wire.datagrams()
    have(FAR, False)
    await asyncio.sleep(SILENT)
    leaked = wire.datagrams()
    said = reasons()
    have(FAR, True)
    outcome = {
        "first": first is not None,
        "leaked": leaked,
        "reasons": said,
        "heard": await heard_after(one, other, (FAR, 8090), 8),
        "same socket": leaf._transport.get_extra_info("socket").fileno() == sock,
    }
    await stop(one, other)
    return outcome


async def virtual_adapters() -> dict[str, Any]:
    """Adapters of virtual machines come and go, with addresses of their own."""
    one, other = node(("UDPIPv4", "10.66.1.2", 8090)), node(("UDPIPv4", "0.0.0.0", 0))
    await one.start()
    await other.start()
    for number in range(3):
        for command in (
            f"link add virtual{number} type veth peer name virtual{number}-end",
            f"address add 10.55.{number}.1/24 dev virtual{number}",
            f"link set virtual{number} up",
            f"link del virtual{number}",
        ):
            ip(command)
            await asyncio.sleep(0.2)
    heard = await heard_after(one, other, ("10.66.1.2", 8090), 5)
    (endpoint,) = (each for each in watched() if each.address[0] == "10.66.1.2")
    outcome = {"heard": heard is not None, "rebinds": endpoint.rebinds, "lost": endpoint.lost}
    await stop(one, other)
    return outcome


async def noticed() -> dict[str, Any]:
    """Long before the next probe is due, the address goes and comes back, and others do."""
    have(FAR, True)
    one, other = node(("UDPIPv4", FAR, 8090)), node(("UDPIPv4", "0.0.0.0", 0))
    await one.start()
    await other.start()
    outcome: dict[str, Any] = {"first": (await heard_after(one, other, (FAR, 8090), 5)) is not None}

    def endpoint() -> Any:
        return next(status for status in watched() if status.address[0] == FAR)

    if PLUGIN:
        before = endpoint().probes
        for there in (True, False, True, False):
            have(UNUSED, there)
        await asyncio.sleep(0.5)
        outcome["probed for others"] = endpoint().probes != before
    have(FAR, False)
    start = time.monotonic()
    while PLUGIN and not endpoint().reason and time.monotonic() - start < 5:
        await asyncio.sleep(0.05)
    if PLUGIN:
        outcome["reason"] = endpoint().reason
    have(FAR, True)
    outcome["heard"] = await heard_after(one, other, (FAR, 8090), 8)
    while PLUGIN and endpoint().reason and time.monotonic() - start < 8:
        await asyncio.sleep(0.05)
    if PLUGIN:
        outcome["state"] = endpoint().state
        outcome["rebinds"] = endpoint().rebinds
    await stop(one, other)
    return outcome


async def readdressed_elsewhere() -> dict[str, Any]:
    """Bound to all, a community knows itself at an address that another adapter loses."""
    have(FAR, True)
    one = node(("UDPIPv4", "0.0.0.0", 8090))
    await one.start()
    overlay = one.overlays[0]
    overlay.my_estimated_lan = (FAR, 8090)  # as it is where IPv8 lists that adapter first
    have(FAR, False)
    start = time.monotonic()
    while overlay.my_estimated_lan[0] == FAR and time.monotonic() - start < 5:
        await asyncio.sleep(0.05)
    outcome = {"lan": overlay.my_estimated_lan[0]}
    await stop(one)
    return outcome


async def readdressed() -> dict[str, Any]:
    """Bound to all, and the machine has another address: its communities say which."""
    one = node(("UDPIPv4", "0.0.0.0", 8090))
    await one.start()
    overlay = one.overlays[0]
    before = overlay.my_estimated_lan
    ip(
        "address add 10.99.0.9/24 dev wire",
        "address del 10.66.1.2/24 dev wire",
        "route replace default via 10.99.0.1 dev wire",
    )
    start = time.monotonic()
    after = None
    while after is None and time.monotonic() - start < 6:
        await asyncio.sleep(0.1)
        if overlay.my_estimated_lan[0] == "10.99.0.9":
            after = time.monotonic() - start
    await stop(one)
    ip(
        "address add 10.66.1.2/24 dev wire",
        "address del 10.99.0.9/24 dev wire",
        "route replace default via 10.66.1.1 dev wire",
    )
    return {"before": before[0], "after": after}


async def resumed_without_a_network() -> dict[str, Any]:
    """The same, and for the first seconds nothing leaves: that it asked then does not count."""
    return await resumed(unsent=2.5)


async def resumed(unsent: float = 0.0) -> dict[str, Any]:
    """Asleep for an hour, its peers forgotten, its bootstrap server asked while it was deaf."""
    from ipv8.bootstrapping.dispersy.bootstrapper import DispersyBootstrapper
    from ipv8.peerdiscovery.discovery import RandomWalk

    one, other = node(("UDPIPv4", "0.0.0.0", 0)), node(("UDPIPv4", "0.0.0.0", 0))
    await other.start()
    server = ("127.0.0.1", other.endpoint.get_address()[1])
    await stop(other)
    overlay = one.overlays[0]
    asked: list[float] = []
    walk_to = overlay.walk_to

    def ask(address: Any) -> None:
        asked.append(time.monotonic())
        walk_to(address)

    overlay.walk_to = ask
    overlay.bootstrappers.append(DispersyBootstrapper([server], []))
    one.add_strategy(overlay, RandomWalk(overlay), 20)
    await one.start()
    await asyncio.sleep(1)
    other, third = node(("UDPIPv4", "0.0.0.0", server[1])), node(("UDPIPv4", "0.0.0.0", 0))
    await other.start()
    await third.start()
    third.overlays[0].walk_to(server)  # a peer that the server can introduce
    await asyncio.sleep(0.5)
    asked.clear()
    with contextlib.ExitStack() as sleep:
        if PLUGIN:
            from tribler_udp_fix.testing import clock_jump, failing_sends

            sleep.enter_context(clock_jump(3600.0))
            if unsent:
                with failing_sends(one.endpoint, 10051):
                    await asyncio.sleep(unsent)
        start = time.monotonic()
        first = None
        while first is None and time.monotonic() - start < 8:
            await asyncio.sleep(0.05)
            if overlay.get_peers():
                first = time.monotonic() - start
    await stop(one, other, third)
    return {"first": first, "asked": len(asked)}


async def main(names: list[str], scenarios: dict[str, Any]) -> None:
    records = Records()
    logging.getLogger().addHandler(records)
    outcomes = {}
    for name in names:
        before = records.tracebacks
        outcomes[name] = await scenarios[name]()
        outcomes[name]["tracebacks"] = records.tracebacks - before
    await asyncio.sleep(0.05)  # transports that were closed say good-bye
    print(json.dumps(outcomes))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:], globals()))
