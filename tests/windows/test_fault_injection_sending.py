"""Sends that fail, peers that have left and ports that are taken, with no watchdog about."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

import pytest
from subjects import armed, each_kind, reached, subject
from udp import only_on, plain_socket, until

from tribler_udp_fix import testing
from tribler_udp_fix._asyncio._upstream import has_fault

pytestmark = only_on("3.8", "3.12", "3.13")


@each_kind
@pytest.mark.parametrize("error", [10065, OSError(0, "our own", None, 10051)])
def test_sends_fail_as_the_transport_reports_it_and_are_counted(run_each, kind, error):
    async def main():
        made = await subject(kind)
        await made.hears(b"before")
        state = made.state()
        peer = plain_socket()
        peer.settimeout(2)
        with testing.failing_sends(made.target, error) as failing:
            for count in (1, 2):
                made.transport.sendto(b"lost", peer.getsockname())
                await until(partial(reached, made.errors, count))
            assert failing.count == 2
            number = error if isinstance(error, int) else error.winerror
            assert {exc.winerror for exc in made.errors} == {number}
            await made.hears(b"while sends fail")
        assert made.state() == state
        made.transport.sendto(b"after", peer.getsockname())
        assert peer.recv(100) == b"after"
        peer.close()
        made.transport.abort()  # on a stock Proactor, close() with a send under way is F6

    run_each(main)
    assert run_each.failures == []


def test_an_error_that_no_transport_takes_for_one_is_refused(run):
    async def main():
        made = await subject("plain")
        with pytest.raises(ValueError, match="10035"), testing.failing_sends(made.target, 10035):
            pass
        made.close()

    run(main)


def test_a_send_to_a_departed_peer_is_an_error_and_deafens_a_stock_transport(run_each, family):
    async def main():
        made = await subject("plain", family)
        with testing.departed_peer(family) as address:
            if run_each.kind != "stock":
                made.transport.sendto(b"?", address)
                await until(partial(reached, made.errors, 1))
                assert made.errors[0].winerror == 10054
                await made.hears(b"after")
            elif has_fault("F2"):
                for _ in range(4):
                    made.transport.sendto(b"?", address)
                await until(lambda: not armed(made.transport))
        made.transport.abort()  # F6, again

    run_each(main)
    assert run_each.failures == []


@each_kind
def test_a_port_is_taken_as_soon_as_its_socket_is_closed_and_until_it_is_released(
    run_each, kind, family
):
    async def main():
        made = await subject(kind, family)
        address = made.address
        with testing.taken_port(made.target) as port:
            await made.hears(b"as ever")
            assert port.address == address
            assert not port.taken
            made.close()
            await until(lambda: port.taken)
            with pytest.raises(OSError) as caught:
                _bind(family, address).close()
            assert caught.value.winerror in (10013, 10048)
            port.release()
            assert not port.taken
            _bind(family, address).close()
        _bind(family, address).close()

    run_each(main)
    assert run_each.failures == []


def test_a_port_is_released_at_the_end_and_a_socket_that_was_not_closed_keeps_it(run_each):
    async def main():
        made, other = await subject("plain"), await subject("plain")
        state = made.state()
        with testing.taken_port(made.target), testing.taken_port(other.target) as port:
            other.close()
            await until(lambda: port.taken)
        assert made.state() == state
        await made.hears(b"after")
        _bind(socket.AF_INET, port.address).close()
        made.close()

    run_each(main)
    assert run_each.failures == []


def _bind(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
