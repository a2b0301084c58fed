"""Meets IPv8's faults (F13, F15) and prints what it saw, as JSON: ``python ipv8_faults.py NAME...``

Whether the plugin is on is for the environment variable to say. Runs with every pyipv8 from 2.10.0
on, on any platform and on whichever IPv8 the path has; nothing but loopback is bound.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import socket
import sys
import warnings
from importlib import metadata
from typing import Any, Callable

from ipv8.messaging.interfaces.dispatcher.endpoint import DispatcherEndpoint
from ipv8.messaging.interfaces.endpoint import EndpointListener
from ipv8.messaging.interfaces.statistics_endpoint import StatisticsEndpoint
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint, UDPv6Endpoint
from sodium import stand_in_for_libsodium

HOST = "127.0.0.1"
ELSEWHERE = {UDPEndpoint: "203.0.113.9", UDPv6Endpoint: "2001:db8::9"}  # for documentation only
PREFIX = b"\x00\x02" + b"a community's id...."
PACKETS = 5


class Log(logging.Handler):
    """Keeps what the plugin says at level ERROR."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Listener(EndpointListener):  # type: ignore[misc]
    """Counts what it hears."""

    def __init__(self, endpoint: Any) -> None:
        super().__init__(endpoint)
        self.heard = 0

    def on_packet(self, packet: Any) -> None:
        self.heard += 1


def abandoned(caught: list[warnings.WarningMessage]) -> int:
    """The sockets that were left to the garbage collector."""
    return sum("unclosed <socket" in str(warning.message) for warning in caught)


async def opening(endpoint: Any) -> dict[str, Any]:
    """What becomes of ``open()``, and what it leaves behind."""
    log, asked = Log(), endpoint._port
    logging.getLogger("tribler_udp_fix").addHandler(log)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = await endpoint.open()
            except Exception as exc:  # whatever stock raises is the result
                result = type(exc).__name__
        return {
            "result": result,
            "running": endpoint.is_open(),
            "moved": endpoint._port - asked,
            "abandoned": abandoned(caught),
            "log": [line.partition(": ")[0] for line in log.lines],
        }
    finally:
        logging.getLogger("tribler_udp_fix").removeHandler(log)


def hold(first: int, count: int) -> list[socket.socket]:
    """Bind *count* ports in a row; none, where one of them is taken."""
    held: list[socket.socket] = []
    for port in range(first, first + count):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held.append(sock)
        try:
            sock.bind((HOST, port))
        except OSError:
            release(held)
            return []
    return held


def release(held: list[socket.socket]) -> None:
    for sock in held:
        sock.close()


async def hears(address: Any, listener: Listener, data: bytes = PREFIX + b"!") -> int:
    """How many of five packets to *address* the listener hears."""
    before = listener.heard
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for _ in range(PACKETS):
            peer.sendto(data, address)
    for _ in range(20):
        await asyncio.sleep(0.02)
        if listener.heard - before >= PACKETS:
            break
    await asyncio.sleep(0.05)  # for one that is heard twice
    return listener.heard - before


async def taken() -> dict[str, Any]:
    """Three ports in a row are taken: the next one is IPv8's."""
    first = 20_000 + os.getpid() % 500 * 32  # other Pythons of the lab try at the same time
    while not (held := hold(first, 4)):
        first += 4
    held.pop().close()
    endpoint = UDPEndpoint(first, HOST)
    outcome = await opening(endpoint)
    listener = Listener(endpoint)
    endpoint.add_listener(listener)
    outcome["heard"] = await hears(endpoint.get_address(), listener)
    endpoint.close()
    release(held)
    return outcome


async def elsewhere() -> dict[str, Any]:
    """An address that is not this machine's: no port of it can be bound."""
    outcomes = {}
    for cls, ip in ELSEWHERE.items():
        endpoint = cls(8090, ip)
        outcomes[cls.__name__] = await opening(endpoint)
        if isinstance(endpoint._transport, asyncio.BaseTransport):  # Wine has bound it
            endpoint.close()
    return outcomes


async def past_the_last() -> dict[str, Any]:
    """The last two ports are taken: there is no next one."""
    while not (held := hold(65_534, 2)):
        await asyncio.sleep(0.05)  # another Python of the lab has them
    outcome = await opening(UDPEndpoint(65_534, HOST))
    release(held)
    return outcome


async def together() -> dict[str, Any]:
    """Two calls at once, as an impatient program makes them."""
    bound: list[Any] = []

    class Endpoint(UDPEndpoint):  # type: ignore[misc]
        def connection_made(self, transport: Any) -> None:
            bound.append(transport)

    endpoint = Endpoint(0, HOST)
    results = await asyncio.gather(endpoint.open(), endpoint.open())
    for transport in bound:
        transport.close()
    return {"results": results, "bound": len(bound)}


def udp() -> Any:
    return UDPEndpoint(0, HOST)


def dispatcher() -> Any:
    return DispatcherEndpoint(["UDPIPv4"], UDPIPv4={"port": 0, "ip": HOST})


def rust() -> Any:
    return importlib.import_module("ipv8_rust_tunnels").Endpoint(0, HOST)


def tunnel(endpoint: Any) -> Any:
    name = "ipv8.messaging.anonymization.endpoint"
    try:
        module = importlib.import_module(name)
    except Exception:  # of libsodium that is not there: OSError, ImportError, ...
        # Before 3.2.1 its module imports keys, and these libsodium, which need not be here: the
        # endpoint itself uses neither.
        stand_in_for_libsodium()
        try:
            module = importlib.import_module(name)
        except Exception as exc:  # as where 2.12 meets a cryptography that is too new for it
            raise ImportError(name) from exc
    return module.TunnelEndpoint(endpoint)


LEAVES: dict[str, Callable[[], Any]] = {"udp": udp, "dispatcher": dispatcher, "rust": rust}
WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "bare": lambda endpoint: endpoint,
    "statistics": StatisticsEndpoint,
    "tunnel": tunnel,
}


async def listeners() -> dict[str, Any]:
    """A listener is added as a community adds itself, and removed: packets heard, and heard then.

    None where the installed packages have no such endpoint.
    """
    outcomes: dict[str, Any] = {}
    for leaf_name, make in LEAVES.items():
        for wrapper_name, wrap in WRAPPERS.items():
            name = f"{wrapper_name} {leaf_name}"
            try:
                leaf = make()
                endpoint = wrap(leaf)
            except (ImportError, OSError):
                outcomes[name] = None
                continue
            outcomes[name] = await _listening(endpoint, leaf)
    return outcomes


async def _listening(endpoint: Any, leaf: Any) -> list[int]:
    await leaf.open()  # 2.10's Dispatcher returns nothing
    assert leaf.is_open()
    listener = Listener(endpoint)
    endpoint.add_listener(listener)  # what Overlay.__init__() does, then Community.__init__()
    endpoint.remove_listener(listener)
    endpoint.add_prefix_listener(listener, PREFIX)
    address = (HOST, leaf.get_address()[1])
    heard = await hears(address, listener)
    endpoint.remove_listener(listener)
    after = await hears(address, listener)
    closing = leaf.close()
    if closing is not None:
        await closing
    return [heard, after]


async def states() -> dict[str, Any]:
    """The version of pyipv8, and how its repairs stand once everything is imported."""
    for wrap in WRAPPERS.values():
        try:
            wrap(udp())
        except (ImportError, OSError):
            continue
    import tribler_udp_fix

    return {
        "version": metadata.version("pyipv8"),
        "repairs": {r.fault: [r.state, r.reason] for r in tribler_udp_fix.status().repairs},
    }


async def main(names: list[str]) -> None:
    logging.getLogger("tribler_udp_fix").propagate = False
    outcomes = {name: await globals()[name]() for name in names}
    await asyncio.sleep(0.05)  # transports that were closed say good-bye
    print(json.dumps(outcomes))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
