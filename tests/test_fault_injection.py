"""The injected faults on Linux's SelectorEventLoop; tests/windows has those of Windows' loops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from typing import Any

import pytest

from tribler_udp_fix import testing

from .datagrams import Endpoint, endpoint, run, send, until

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="tests/windows shows the same of Windows' loops"
)


def reader(transport: Any) -> Any:
    """What is called when there is something to read; None where nothing is."""
    with contextlib.suppress(KeyError):
        return transport._loop._selector.get_key(transport._sock_fd).data[0]._callback
    return None


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def family(request: pytest.FixtureRequest) -> int:
    value: int = request.param
    return value


@pytest.mark.parametrize("how", ["rearm", "rebind"])
def test_an_endpoint_with_a_lost_completion_is_deaf_and_looks_armed(family, how):
    async def main():
        made = await endpoint(family)
        sock = made.transport.get_extra_info("socket")._sock
        before = type(sock), reader(made.transport)
        with testing.lost_completion(made.transport, until=how):
            await made.is_deaf_to(b"one")
            assert reader(made.transport) is not None
        assert (type(sock), reader(made.transport)) == before
        await made.hears(b"two")
        assert made.heard == [b"two"]
        made.transport.close()

    assert run(main) == []


@pytest.mark.parametrize("how", ["rearm", "rebind"])
def test_rearming_repairs_one_and_not_the_other(how):
    async def main():
        made = await endpoint()
        with testing.lost_completion(made.transport, until=how):
            made.transport._loop._add_reader(made.transport._sock_fd, made.transport._read_ready)
            if how == "rearm":
                await made.hears(b"one")
            else:
                await made.is_deaf_to(b"one")
        await made.hears(b"two")
        made.transport.close()

    assert run(main) == []


def test_another_until_is_refused():
    with pytest.raises(ValueError, match="'rearm' or 'rebind'"):
        testing.lost_completion(None, until="doomsday").__enter__()


def test_an_endpoint_whose_reader_died_is_deaf_and_hears_what_waited_at_the_end(family):
    async def main():
        made = await endpoint(family)
        before = reader(made.transport)
        with testing.dead_reader(made.transport):
            await made.is_deaf_to(b"one")
            assert reader(made.transport) is None
        assert reader(made.transport) == before
        await until(lambda: made.heard == [b"one"])
        made.transport.close()

    assert run(main) == []


@pytest.mark.parametrize("fault", ["lost_completion", "dead_reader"])
def test_an_endpoint_that_does_not_read_cannot_stop(fault):
    async def main():
        made = await endpoint()
        again = getattr(testing, fault)(made.transport)
        unavailable = pytest.raises(testing.FaultUnavailable, match="does not read")
        with testing.dead_reader(made.transport), unavailable, again:
            pass
        made.transport.close()

    assert run(main) == []


@pytest.mark.parametrize("fault", ["lost_completion", "dead_reader"])
def test_a_fault_that_is_left_by_an_exception_ends_too(fault):
    async def main():
        made = await endpoint()
        with contextlib.suppress(ZeroDivisionError), getattr(testing, fault)(made.transport):
            raise ZeroDivisionError
        await made.hears(b"after")
        made.transport.close()

    assert run(main) == []


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (10065, errno.EHOSTUNREACH),
        (errno.ENOBUFS, errno.ENOBUFS),
        (OSError(errno.EPERM, "a firewall"), errno.EPERM),
    ],
)
def test_sends_fail_with_the_error_and_are_counted(error, number):
    async def main():
        made, peer = await endpoint(), await endpoint()
        with testing.failing_sends(made.transport, error) as failing:
            made.transport.sendto(b"lost", peer.address)
            made.transport.sendto(b"lost", peer.address)
            await made.hears(b"while sends fail")
        assert failing.count == 2
        assert [exc.errno for exc in made.errors] == [number] * 2
        made.transport.sendto(b"after", peer.address)
        await until(lambda: peer.heard == [b"after"])
        made.transport.close()
        peer.transport.close()

    assert run(main) == []


@pytest.mark.parametrize("error", [12345, 10035, errno.EAGAIN])
def test_an_error_that_is_none_is_refused(error):
    async def main():
        made = await endpoint()
        with pytest.raises(ValueError, match=str(error)):
            testing.failing_sends(made.transport, error).__enter__()
        made.transport.close()

    assert run(main) == []


def test_nobody_listens_where_a_peer_has_departed(family):
    with testing.departed_peer(family) as address, socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.settimeout(2)
        sock.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(100)


def test_a_port_is_taken_between_one_socket_and_the_next(family):
    async def main():
        made = await endpoint(family)
        loop = asyncio.get_running_loop()
        with testing.taken_port(made.transport) as port:
            await made.hears(b"as ever")
            made.transport.close()
            await until(lambda: port.taken)
            assert port.address == made.address
            with pytest.raises(OSError) as caught:
                await loop.create_datagram_endpoint(Endpoint, local_addr=made.address[:2])
            assert caught.value.errno == errno.EADDRINUSE
            port.release()
            again, _ = await loop.create_datagram_endpoint(Endpoint, local_addr=made.address[:2])
            again.close()

    assert run(main) == []


def test_a_loop_is_starved_until_the_end():
    async def main():
        loop = asyncio.get_running_loop()
        with testing.starved_loop(0.1):
            began, turns = loop.time(), 0
            while loop.time() - began < 0.5:
                await asyncio.sleep(0)
                turns += 1
        assert 1 <= turns <= 6

    assert run(main) == []


def test_a_handler_raises_on_every_datagram_and_the_endpoint_reads_on():
    async def main():
        made = await endpoint()
        with testing.raising_handler(made.transport, KeyError("ours")) as handler:
            for _ in range(3):
                send(made.address, b"?")
            await until(lambda: handler.count == 3)
        assert made.transport.get_protocol() is made
        await made.hears(b"after")
        made.transport.close()

    assert [type(exception) for exception in run(main)] == [KeyError] * 3


def test_a_transport_of_another_make_is_refused():
    class Transport(asyncio.DatagramTransport):
        pass

    with pytest.raises(testing.FaultUnavailable, match="asyncio's own event loops"):
        testing.dead_reader(Transport()).__enter__()
