"""The fixtures, in a pytest inside pytest, found through the entry point that pip installed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from child import python
from udp import only_on

from tribler_udp_fix import testing

pytestmark = only_on("3.8", "3.12")

OURS = ["tribler_udp_fix", "tribler_udp_fix.testing", "tribler_udp_fix.testing.pytest_plugin"]

IMPORTED = """
import json, sys

def test_it():
    with open("imported.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""

FAULTS = """
import asyncio, socket
import pytest

LOOP = asyncio.ProactorEventLoop()

class Protocol(asyncio.DatagramProtocol):
    def __init__(self):
        self.heard = []
        self.errors = []
    def datagram_received(self, data, _):
        self.heard.append(data)
    def error_received(self, exc):
        self.errors.append(exc)

PROTOCOL = Protocol()

async def tell(data):
    address = TRANSPORT.get_extra_info("sockname")
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(data, address)
    await asyncio.sleep(0.5)
    return data in PROTOCOL.heard

TRANSPORT = LOOP.run_until_complete(
    LOOP.create_datagram_endpoint(lambda: PROTOCOL, local_addr=("127.0.0.1", 0))
)[0]

def test_until_its_end(dead_reader, failing_sends, departed_peer):
    dead_reader(TRANSPORT)
    failing = failing_sends(TRANSPORT, 10065)
    async def main():
        assert not await tell(b"one")
        TRANSPORT.sendto(b"?", departed_peer(socket.AF_INET))
        await asyncio.sleep(0)
    LOOP.run_until_complete(main())
    assert failing.count == 1
    assert PROTOCOL.errors[0].winerror == 10065

def test_and_no_longer():
    assert LOOP.run_until_complete(tell(b"two"))
    assert PROTOCOL.heard == [b"one", b"two"]
    TRANSPORT.close()
    LOOP.run_until_complete(asyncio.sleep(0.1))
    LOOP.close()

@pytest.mark.parametrize("fault", ["lost_completion", "dead_reader", "taken_port"])
def test_that_leaves_a_closed_loop_behind(request, fault):
    async def main():
        made = await asyncio.get_running_loop().create_datagram_endpoint(
            Protocol, local_addr=("127.0.0.1", 0)
        )
        request.getfixturevalue(fault)(made[0])
        made[0].close()
        await asyncio.sleep(0.1)
    asyncio.run(main())

@pytest.fixture
def taken_port():
    return lambda _transport: "the test's own"

def test_its_own_fixture(taken_port):
    assert taken_port(None) == "the test's own"
"""

WATCHED = """
import asyncio
from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint
from tribler_udp_fix._watchdog._watchdog import running

LOOP = asyncio.new_event_loop()

async def opened(watched, **settings):
    endpoint = UDPEndpoint(port=0, ip="127.0.0.1")
    assert await endpoint.open()
    return endpoint, watched(endpoint, **settings)

async def close(endpoint):
    endpoint.close()
    await asyncio.sleep(0.1)

def test_on_a_loop_that_goes_on(watched):
    async def main():
        global ENDPOINT
        ENDPOINT, watchdog = await opened(watched, probe_after=0.1)
        while not watchdog.status().endpoints[0].probes["answered"]:
            await asyncio.sleep(0.1)
        assert watchdog in running
    LOOP.run_until_complete(main())

def test_nobody_watches_any_more():
    assert not running
    assert not ENDPOINT._prefix_map
    LOOP.run_until_complete(close(ENDPOINT))
    LOOP.close()

def test_on_a_loop_that_is_closed(watched):
    async def main():
        endpoint, _ = await opened(watched)
        await close(endpoint)
    asyncio.run(main())

def test_on_a_loop_that_is_closed_during_a_rebind(watched):
    async def main():
        endpoint, watchdog = await opened(watched)
        rebinding = asyncio.ensure_future(watchdog.rebind())
        await asyncio.sleep(0)
        assert watchdog._watches[0]._rebinding
        await rebinding
        await close(endpoint)
    asyncio.run(main())

def test_nobody_watches_those_either():
    assert not running
"""


def run_pytest(folder: Any, *options: str, code: str, plugin: bool = False) -> str:
    (folder / "test_inner.py").write_text(code)
    return python("-m", "pytest", "-q", "-ra", *options, plugin=plugin, cwd=folder)


def imported(folder: Any, *options: str) -> list[str]:
    run_pytest(folder, *options, code=IMPORTED)
    names: list[str] = json.loads((folder / "imported.json").read_text())
    return names


def test_a_plain_run_imports_the_plugin_and_nothing_else(tmp_path):
    without = imported(tmp_path, "-p", "no:tribler_udp_fix")
    assert not [name for name in without if name.startswith(("tribler_udp_fix", "wrapt", "ipv8"))]
    assert sorted(set(imported(tmp_path)) - set(without)) == OURS


@pytest.mark.parametrize("plugin", [False, True], ids=["stock", "repaired"])
def test_a_fault_lasts_until_its_test_ends(tmp_path, plugin):
    assert "6 passed" in run_pytest(tmp_path, "-W", "error", code=FAULTS, plugin=plugin)


def test_a_watchdog_is_stopped_when_its_test_ends(tmp_path):
    assert "5 passed" in run_pytest(tmp_path, "-W", "error", code=WATCHED)


def test_the_fixtures_are_listed_with_what_they_do(tmp_path):
    out = run_pytest(tmp_path, "--fixtures", code="")
    faults = {name for name in testing.__all__ if name.islower()} - {"fast_loop"}
    assert len(faults) == 19
    assert [name for name in sorted(faults) if f"\n{name} -- " not in out] == []
