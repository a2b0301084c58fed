"""Real IPv8 instances: watched from their start to their stop, by the variable alone."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import threading

import pytest
from child import python
from communities import service
from udp import needs_pyipv8

import tribler_udp_fix
from tribler_udp_fix import Settings

pytestmark = needs_pyipv8

QUICK = Settings(probe_after=0.6, probe_timeout=0.3, tick=0.05, jitter=0.0)


@pytest.fixture
def installed():
    import ipv8_service

    before = {name: id(value) for name, value in vars(ipv8_service.IPv8).items()}
    tribler_udp_fix.install(QUICK)
    yield
    tribler_udp_fix.uninstall()
    tribler_udp_fix.install(Settings())
    tribler_udp_fix.uninstall()
    assert {name: id(value) for name, value in vars(ipv8_service.IPv8).items()} == before


def watched():
    return [
        endpoint
        for watchdog in tribler_udp_fix.status().watchdogs
        for endpoint in watchdog.endpoints
    ]


async def until(condition, seconds=15.0):
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, tribler_udp_fix.status().as_dict()["watchdogs"]
        await asyncio.sleep(0.02)


def run(main):
    assert sys.platform == "win32"
    for make in (asyncio.ProactorEventLoop, asyncio.SelectorEventLoop):
        loop = make()
        try:
            loop.run_until_complete(asyncio.wait_for(main(), 60))
        finally:
            loop.close()


@pytest.mark.parametrize("statistics", [False, True])
def test_every_endpoint_of_an_instance_is_watched_while_it_runs(installed, statistics):
    async def main():
        ipv8 = service(["UDPIPv4", "UDPIPv6"], enable_statistics=statistics)
        assert watched() == []
        await ipv8.start()
        assert {endpoint.endpoint for endpoint in watched()} == {"UDPEndpoint", "UDPv6Endpoint"}
        await until(lambda: all(endpoint.probes["answered"] for endpoint in watched()))
        await ipv8.stop()
        assert watched() == []
        for leaf in (ipv8.endpoint.endpoint if statistics else ipv8.endpoint).interfaces.values():
            assert leaf._prefix_map == {}

    run(main)


def test_an_instance_is_watched_once_where_everything_is_watched(installed):
    async def main():
        tribler_udp_fix.install(dataclasses.replace(QUICK, watch="all"))
        ipv8 = service(["UDPIPv4", "UDPIPv6"])
        await ipv8.start()
        await asyncio.sleep(0.2)  # what is not open yet is looked at again after 0.05 s
        names = sorted(endpoint.name for endpoint in watched())
        made = ipv8.endpoint.interfaces.values()
        assert len(names) == len(made) == len(set(names)), names
        await ipv8.stop()
        assert watched() == []

    run(main)


def test_a_community_behind_statistics_hears_again_after_its_socket_has_died(installed):
    from tribler_udp_fix.testing import lost_completion

    async def main():
        one, two = (service(["UDPIPv4"], enable_statistics=True) for _ in range(2))
        await one.start()
        await two.start()
        (leaf,) = one.endpoint.endpoint.interfaces.values()
        address = leaf.get_address()
        with lost_completion(leaf, until="rebind"):
            two.overlays[0].say(address, b"lost")
            await until(lambda: any(endpoint.rebinds for endpoint in watched()))
            number = 0
            while not one.overlays[0].heard:
                number += 1
                two.overlays[0].say(address, b"%d" % number)
                await asyncio.sleep(0.05)
        assert leaf.get_address() == address
        one.overlays[0].say(two.endpoint.get_address(), b"an answer")
        await until(lambda: two.overlays[0].heard == [b"an answer"])
        await one.stop()
        await two.stop()

    run(main)


def test_instances_on_several_loops_and_one_that_starts_again_are_each_watched(installed):
    def live(results):
        async def main():
            for _ in range(2):
                ipv8 = service(["UDPIPv4"])
                await ipv8.start()
                await asyncio.sleep(1)
                results.append(len(watched()))
                await ipv8.stop()

        run(main)

    results: list[int] = []
    threads = [threading.Thread(target=live, args=(results,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 12
    assert max(results) > 1
    assert watched() == []


def test_the_setting_switches_it_off(installed):
    tribler_udp_fix.install(Settings(watchdog=False))

    async def main():
        ipv8 = service(["UDPIPv4"])
        await ipv8.start()
        assert watched() == []
        await ipv8.stop()

    run(main)


def test_uninstalling_ends_it_and_the_instance_goes_on(installed):
    async def main():
        tribler_udp_fix.install()
        ipv8 = service(["UDPIPv4"])
        await ipv8.start()
        assert len(watched()) == 1
        tribler_udp_fix.uninstall()
        await until(lambda: watched() == [])
        (leaf,) = ipv8.endpoint.interfaces.values()
        assert list(leaf._prefix_map) == [ipv8.overlays[0].get_prefix()]
        await ipv8.stop()

    run(main)


SCRIPT = """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
from communities import service

async def main():
    ipv8 = service(["UDPIPv4"])
    await ipv8.start()
    await asyncio.sleep(0.5)
    if "tribler_udp_fix" in sys.modules:
        import tribler_udp_fix
        status = tribler_udp_fix.status().as_dict()
        watched = [e["endpoint"] for dog in status["watchdogs"] for e in dog["endpoints"]]
        states = {r["fault"]: r["state"] for r in status["repairs"]}
        told = [watched, states["F11"], states["F13"], states["F15"]]
    else:
        told = None
    await ipv8.stop()
    print(json.dumps(told))

loop = asyncio.ProactorEventLoop()
asyncio.set_event_loop(loop)
loop.run_until_complete(main())
"""


def test_the_variable_alone_does_it_and_unset_nothing_of_ours_is_there(tmp_path):
    import os

    folder = os.path.dirname(__file__)
    run_ = [
        json.loads(python("-c", SCRIPT, folder, plugin=plugin, cwd=tmp_path, timeout=60))
        for plugin in (False, True)
    ]
    assert run_ == [None, [["UDPEndpoint"], "applied", "applied", "applied"]]
