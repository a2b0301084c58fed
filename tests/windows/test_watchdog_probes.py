"""What the watchdog takes for proof that an endpoint hears: traffic, and probes of its own."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import socket

import pytest
from udp import only_on
from watched import PREFIX, QUICK, address_of, say, scene

from tribler_udp_fix.testing import (
    lost_completion,
)

pytestmark = only_on("3.8", "3.10", "3.12", "3.13")


@pytest.mark.parametrize("kind", ["ipv4", "ipv6", "all ipv4", "all ipv6"])
def test_a_quiet_endpoint_is_probed_and_hears_it(run_both, kind):
    async def main():
        async with scene(kind) as it:
            await it.until(lambda: it.status.probes["answered"] >= 2)
            assert it.status.probes["missed"] == 0
            assert set(it.states) == {"quiet", "healthy"}
            assert it.status.last_heard is not None
            assert it.status.address[0] == it.endpoint.get_address()[0]

    run_both(main)


def test_an_endpoint_with_traffic_is_not_probed(run_both):
    async def main():
        async with scene() as it:
            for number in range(20):
                await it.hears(b"%d" % number)
                await asyncio.sleep(QUICK.probe_after / 5)
            assert it.status.probes["sent"] == 0
            assert it.states == []

    run_both(main)


def test_an_endpoint_with_traffic_is_not_probed_after_its_counters_were_reset_either(run_both):
    async def main():
        async with scene() as it:
            await it.until(lambda: it.status.probes["answered"] >= 6)
            it.endpoint.reset_byte_counters()
            await it.hears()
            await it.until(lambda: it.state == "healthy")
            probes = it.status.probes["sent"]
            for _ in range(5):  # fewer bytes than those of the probes before
                say(it.endpoint, b"")
                await asyncio.sleep(QUICK.probe_after / 3)
            assert it.status.probes["sent"] == probes

    run_both(main)


def test_a_probe_that_cannot_be_sent_is_no_dead_endpoint(run_both):
    async def main():
        async with scene(settings=dataclasses.replace(QUICK, probe_misses=1)) as it:
            assert it.watchdog._around is not None
            sender = it.watchdog._around.sender
            send = sender.send

            def refused(_address, _data):
                raise PermissionError(10013, "a firewall's answer")

            sender.send = refused  # type: ignore[method-assign]
            await it.until(lambda: it.status.probes["unsent"] >= 3)
            assert it.status.rearms == it.status.rebinds == it.status.probes["missed"] == 0
            assert set(it.states) == {"quiet", "unknown"}
            history = it.watchdog.status().history
            assert [event.state for event in history] == ["unknown"]  # told once, not each time
            await it.hears()
            await it.until(lambda: it.state == "healthy")
            sender.send = send  # type: ignore[method-assign]
            await it.until(lambda: it.status.probes["answered"])

    run_both(main)


def test_traffic_is_proof_where_probes_are_lost_on_their_way(run_both):
    async def main():
        # More probes than looks: a probe's time must not run out on what no look has seen.
        settings = dataclasses.replace(QUICK, probe_timeout=0.3, probe_misses=1, tick=5.0)
        async with scene(settings=settings) as it:
            assert it.watchdog._around is not None
            it.watchdog._around.sender.send = lambda *_: None  # type: ignore[method-assign]
            await it.until(lambda: it.state == "quiet")
            for number in range(20):
                await it.hears(b"%d" % number)
                await asyncio.sleep(0.1)
            assert it.status.rearms == it.status.rebinds == 0

    run_both(main)


def test_forged_and_replayed_probes_and_a_flood_are_neither_health_nor_death(run_both):
    async def main():
        async with scene() as it:
            probes = []
            assert it.watchdog._around is not None
            sender = it.watchdog._around.sender
            send = sender.send

            def note(address, data):
                probes.append(data)
                send(address, data)

            sender.send = note  # type: ignore[method-assign]
            await it.until(lambda: it.status.probes["answered"] >= 2)
            secret = probes[0][: len(PREFIX)]
            forged = [secret + secrets.token_bytes(16) for _ in range(20)]
            noise = [secrets.token_bytes(len(probes[0])) for _ in range(20)]

            def attack():
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
                    for data in [*probes, *forged, *noise]:
                        attacker.sendto(data, address_of(it.endpoint))

            answered = it.status.probes["answered"]
            attack()
            await asyncio.sleep(0.2)
            assert it.status.probes["answered"] - answered <= 1  # a probe of its own
            # On a deaf endpoint they make no difference: what is not heard proves nothing.
            with lost_completion(it.endpoint, until="rebind"):
                while not it.status.rebinds:
                    attack()
                    await asyncio.sleep(0.05)
            await it.until(lambda: it.state == "healthy")
            assert it.status.rebinds == 1
            assert it.states[-5:] == ["quiet", "suspect", "re-arming", "rebinding", "healthy"]

    run_both(main)


def test_a_listener_to_everything_is_not_handed_the_probes(run_both):
    async def main():
        from ipv8.messaging.interfaces.endpoint import EndpointListener

        heard = []

        class Answerer(EndpointListener):  # type: ignore[misc]
            def on_packet(self, packet):
                heard.append(packet[1])
                self.endpoint.send(packet[0], b"an answer")

        async with scene() as it:
            it.endpoint.add_listener(Answerer(it.endpoint))
            await it.until(lambda: it.status.probes["answered"] >= 2)
            assert heard == []
            say(it.endpoint, b"to all")
            await it.until(lambda: heard)

    run_both(main)
