"""The errors of datagrams that a router between two hosts gives up, on each Windows Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

if sys.platform == "win32":
    pytest.skip("the router is made of Linux's network namespaces", allow_module_level=True)

from .winlab import lay, network, places, process
from .winlab.prefix import Prefix
from .winlab.pythons import PYTHONS, WindowsPython

SCRIPT = Path(__file__).with_name("icmp_router_script.py")

# Destination, hops allowed; Win32 number of a waiting receive, Winsock number of a later one.
CASES = {
    "closed port": ("10.66.2.2", 64, 1234, 10054),
    "closed port, IPv6": ("fd66:2::2", 64, 1234, 10054),
    "no route to the network": (network.NO_NETWORK[0], 64, 1231, 10051),
    "no route to the network, IPv6": (network.NO_NETWORK[1], 64, 1231, 10051),
    "unreachable route": (network.NO_HOST[0], 64, 1232, 10065),
    # ICMPv6 has no other word for it than "no route to destination".
    "unreachable route, IPv6": (network.NO_HOST[1], 64, 1231, 10051),
    "host that is off": ("10.66.2.77", 64, 1232, 10065),
    "host that is off, IPv6": ("fd66:2::77", 64, 1232, 10065),
    "hops exceeded": ("10.66.2.2", 1, 10052, 10052),
    "hops exceeded, IPv6": ("fd66:2::2", 1, 10052, 10052),
}

ECHO = """
import socket, threading
def answer(sock):
    while True:
        data, address = sock.recvfrom(2000)
        sock.sendto(data, address)
for family in (socket.AF_INET, socket.AF_INET6):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", 0))
    threading.Thread(target=answer, args=(sock,)).start()
    print(sock.getsockname()[1], flush=True)
"""


# Answers what is small when it is asked again, and what is large as soon as that has come.
SERVICE = """
import socket
asked = []
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", 0))
print(sock.getsockname()[1], flush=True)
while True:
    data, address = sock.recvfrom(2000)
    asked.append(data[:5])
    if data[:5] == b"large" or asked.count(data[:5]) > 1:
        sock.sendto(data[:5], address)
"""
ASK = """
import asyncio, sys
from tribler_udp_fix import RequestSockets
async def main(address):
    async with RequestSockets() as sockets:
        asking = []
        for question, size in ((b"small", 5), (b"large", 1400)):
            data = question.ljust(size)
            ask = sockets.ask(address, data, match=question.__eq__, timeout=20, wait=1)
            asking.append(asyncio.ensure_future(ask))
            await asyncio.sleep(0.2)
        print(await asyncio.gather(*asking, return_exceptions=True), sockets.counters["errors"])
asyncio.run(main((sys.argv[1], int(sys.argv[2]))))
"""


@pytest.fixture(scope="module")
def net() -> Iterator[network.Routed]:
    """Two hosts and a router of these tests' own."""
    with network.routed_namespaces(places.NAME + "-test") as made:
        # A router takes three seconds to find out that a host is off; so long need no test wait.
        made.router.set({f"net/{ip}/neigh/b/retrans_time_ms": "100" for ip in ("ipv4", "ipv6")})
        made.router.run("ip", "link", "set", "dev", "b", "mtu", "1280")
        yield made


@pytest.fixture(scope="module")
def host_a(net: network.Routed) -> Iterator[Prefix]:
    """Wine on host A, with every Python laid."""
    prefix = Prefix(net.host_a, lay.lay(PYTHONS).shim)
    prefix.start()
    yield prefix
    prefix.stop()


@pytest.fixture(scope="module")
def echo(net: network.Routed) -> Iterator[list[tuple[str, int]]]:
    """The addresses, IPv4 and IPv6, of an echo service on host B."""
    command = net.host_b.command(sys.executable, "-c", ECHO)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout
        yield [(address, int(service.stdout.readline())) for address in network.HOST_B]
        service.kill()


@pytest.fixture(scope="module", params=PYTHONS, ids=lambda python: python.tag)
def results(
    request: pytest.FixtureRequest, net: network.Routed, host_a: Prefix, echo: list[Any]
) -> dict[str, Any]:
    """What the script found out on one Windows Python."""
    python: WindowsPython = request.param
    send_from(f"10.66.1.{10 + PYTHONS.index(python)}", net)
    argument = json.dumps([{name: case[:2] for name, case in CASES.items()}, *echo])
    running = process.start(python, host_a, [places.windows_path(SCRIPT), argument])
    try:
        output, errors = running.communicate(timeout=60)
    finally:
        process.kill(running)
    assert running.returncode == 0, errors.decode(errors="replace")
    found: dict[str, Any] = json.loads(output)
    return found


def send_from(address: str, net: network.Routed) -> None:
    """Let host A send from an address that nothing was sent from yet.

    Linux answers one source with five "unreachable" at once and then one a second; that is set for
    the machine as a whole (net.ipv4.route.error_cost), which the lab leaves alone.
    """
    net.host_a.run("ip", "address", "add", f"{address}/24", "dev", "wire")
    net.host_a.run(*f"ip route replace default via {network.ROUTER[0][0]} src {address}".split())


@pytest.mark.parametrize("case", CASES)
def test_a_datagram_given_up_on_the_way_fails_a_receive_and_no_other(results, case):
    waiting, later = CASES[case][2:]
    assert results[case] == [waiting, later, True]


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_datagram_too_large_for_the_path_fails_no_receive(results, family):
    assert results[family] == [0, len(b"hello")]


def test_a_question_too_large_for_the_path_is_answered_and_ends_no_other(net):
    command = net.host_b.command(sys.executable, "-c", SERVICE)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout
        port = service.stdout.readline().strip()
        net.host_a.run("ip", "route", "flush", "cache")  # what others have learned of the path
        answers = net.host_a.run(sys.executable, "-c", ASK, network.HOST_B[0], port)
        service.kill()
    assert answers.strip() == "[b'small', b'large'] 1"  # the router's word was met
