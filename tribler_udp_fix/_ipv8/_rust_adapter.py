"""A Rust endpoint that keeps to one network interface, as far as that can be had from outside.

Rust makes its socket itself, so that only the address can be chosen: there is no IP_UNICAST_IF. The
endpoint is moved there before anybody sends by it; while the interface is not there it is on
loopback, from where nothing reaches another machine.
"""

from __future__ import annotations

import logging
import socket
from typing import Any

from tribler_udp_fix._asyncio._interfaces import Interface, NoInterface
from tribler_udp_fix._asyncio._sockets import family_of
from tribler_udp_fix._ipv8._adapters import ALL, keep_to
from tribler_udp_fix._ipv8._lan import know_lan_address
from tribler_udp_fix._ipv8._rust_reopen import Reopener, can_be_reopened
from tribler_udp_fix._ipv8._rust_state import survived
from tribler_udp_fix._settings import Settings

logger = logging.getLogger("tribler_udp_fix")

PARKED = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def open_at_interface(endpoint: Any, settings: Settings) -> None:
    """Have the next ``open()`` of the Rust *endpoint* end at the address of the interface set.

    Not where its program has it bound to an address of its own choice.
    """
    interface = Interface.named(settings.bind_interface)
    if interface is None or endpoint.is_open():
        return
    if not can_be_reopened(endpoint):
        name = type(endpoint).__name__
        logger.warning("bind_interface=%r is not for %s of this version", interface.name, name)
        return
    opens = endpoint.open

    async def open_() -> Any:
        vars(endpoint).pop("open", None)
        opened = await opens()
        with survived(f"open a Rust endpoint at {interface.name}"):
            if opened and endpoint.rust_ep.get_address()[0] in ALL:
                keep_to(endpoint, interface)
                await _move(endpoint, interface, settings)
        return opened

    endpoint.open = open_


async def _move(endpoint: Any, interface: Interface, settings: Settings) -> None:
    host, port = endpoint.rust_ep.get_address()[:2]
    reopener = Reopener(endpoint, settings)
    try:
        there = interface.place(family_of(host)).nearest(host)
    except NoInterface:
        there = PARKED[family_of(host)]
    try:
        await reopener.reopen(lambda: True, (there, port))
    finally:
        reopener.leave()
    know_lan_address(endpoint, endpoint.get_address())
