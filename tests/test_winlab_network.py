"""The lab's networks: nothing leaves the machine, and no ICMP error is rationed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Iterator

import pytest

if sys.platform == "win32":
    pytest.skip("the lab is for Linux", allow_module_level=True)

from .lab_command import COMMAND, python312, winlab
from .winlab import lay, network, places, process, pythons
from .winlab.prefix import Prefix


@pytest.fixture(scope="module", autouse=True)
def laid() -> None:
    lay.lay(pythons.PYTHONS)


def test_no_datagram_can_leave_the_machine_and_none_can_come_in() -> None:
    code = """
import socket
for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            print(sock.sendto(b"out", (address, 9)))
        except OSError as error:
            print(error.winerror)
"""
    assert python312(code).stdout.split() == ["10051", "10051"]  # no route to that network
    namespace = network.Namespace(places.NAME)
    interfaces = json.loads(namespace.run("ip", "-json", "link"))
    assert [interface["ifname"] for interface in interfaces] == ["lo"]


def test_a_port_of_the_lab_is_not_a_port_of_the_machine() -> None:
    code = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1])
    input()
"""
    with subprocess.Popen(
        [*COMMAND, "run", "3.12", "-c", code],
        cwd=places.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdout
        port = int(running.stdout.readline())
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port})); print('there')"
        inside = network.Namespace(places.NAME).command(sys.executable, "-c", connect)
        assert subprocess.check_output(inside, text=True).strip() == "there"
        outside = subprocess.run([sys.executable, "-c", connect], capture_output=True, text=True)
        assert "ConnectionRefusedError" in outside.stderr
        running.communicate(b"\n")


def test_icmp_errors_are_not_rationed_in_the_lab() -> None:
    # Linux's default is a thousand a second for all, and one a second for each IPv6 peer.
    code = """
import socket
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as closed:
        closed.bind((host, 0))
        address = closed.getsockname()
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        refused = 0
        for _ in range(2000):
            try:
                sock.send(b"x")
            except ConnectionRefusedError:
                refused += 1
        print(refused)
"""
    namespace = network.Namespace(places.NAME)
    inside = namespace.command(sys.executable, "-c", code)
    ipv4, ipv6 = map(int, subprocess.check_output(inside, text=True).split())
    # The kernel reports each error on the next send, which then sends nothing: every second fails.
    assert (ipv4, ipv6) == (1000, 1000)


@pytest.fixture
def other_prefix(laid: None) -> Iterator[Prefix]:
    name = f"{places.NAME}-test"
    with network.loopback_namespace(name) as namespace:
        prefix = Prefix(namespace, next(iter(places.SHIMS.glob("*.so"))))
        yield prefix
        prefix.stop()


def test_a_second_wineserver_runs_beside_the_first_until_it_is_stopped(
    other_prefix: Prefix,
) -> None:
    other_prefix.start()
    code = "print(1); import time; time.sleep(99)"
    with process.start(pythons.find("3.12"), other_prefix, ["-c", code]) as running:
        assert running.stdout
        assert running.stdout.readline().strip() == b"1"
        assert python312("print(2)").stdout.strip() == "2"
        other_prefix.stop()
        assert running.wait(20) != 0


def test_the_routed_network_has_a_router_and_two_hosts() -> None:
    code = """
import json, socket, sys
addresses = []
for family, host in ((socket.AF_INET, "10.66.2.2"), (socket.AF_INET6, "fd66:2::2")):
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((host, 9))
        addresses.append(sock.getsockname()[0])
print(json.dumps(addresses))
"""
    done = winlab("run", "--network", "router", "3.12", "-c", code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == list(network.HOST_A)
    net = network.routed(places.NAME)
    for namespace, interfaces in zip(net, ({"lo", "wire"}, {"lo", "a", "b"}, {"lo", "wire"})):
        links = json.loads(namespace.run("ip", "-json", "link"))
        assert {link["ifname"] for link in links} == interfaces
    defaults = json.loads(net.router.run("ip", "-json", "route", "show", "default"))
    assert defaults == []
