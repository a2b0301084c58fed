"""What a program may rely on with asyncio's own transports it may with ours: on the Selector."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import gc
import os
import socket
import subprocess
import sys
import time
import warnings
import weakref
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from like_asyncio import (
    NAME,
    a_burst_finds_room_in_a_queue_that_is_emptied_meanwhile,
    a_handler_finds_what_the_one_before_has_set,
    each_datagram_finds_the_next_future,
    each_is_called_in_its_own_context,
    ear,
    ear_of,
    say,
)
from udp import Recorder, endpoint, until

import tribler_udp_fix
from tribler_udp_fix import Settings, Watchdog

if sys.platform == "win32":
    pytest.skip("tests/windows/test_like_asyncio.py is for Windows", allow_module_level=True)


@pytest.fixture(params=["stock", "plugin"])
def plugin(request: pytest.FixtureRequest) -> Iterator[bool]:
    if request.param == "plugin":
        tribler_udp_fix.install()
    yield request.param == "plugin"
    tribler_udp_fix.uninstall()


def run(main: Callable[[], Any]) -> None:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    try:
        loop.run_until_complete(asyncio.wait_for(main(), 30))
    finally:
        loop.close()


def test_each_protocol_is_called_in_the_context_that_its_endpoint_was_made_in(plugin):
    each_is_called_in_its_own_context(run)


@pytest.mark.parametrize(
    "asks",
    [a_burst_finds_room_in_a_queue_that_is_emptied_meanwhile, each_datagram_finds_the_next_future],
)
@pytest.mark.parametrize("fast_path", [True, False])
def test_whoever_waits_for_the_loop_has_its_turn_before_the_next_datagram(plugin, asks, fast_path):
    if plugin:
        tribler_udp_fix.install(Settings(fast_path=fast_path))
    asks(run)


def test_a_handler_finds_what_the_one_before_has_set(plugin):
    a_handler_finds_what_the_one_before_has_set(run)


def test_whoever_waits_for_the_loop_has_its_turn_before_the_next_that_a_rebind_took_over():
    tribler_udp_fix.install()
    try:
        each_datagram_finds_the_next_future(run, rebinds=True)
    finally:
        tribler_udp_fix.uninstall()


def test_one_that_is_paused_as_it_is_made_waits_without_work(plugin):
    class Paused(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if plugin:  # asyncio's own can be paused since Python 3.12 alone
                transport.pause_reading()

    async def main():
        made = await endpoint(protocol=Paused)
        say(made, 1)
        begun = time.process_time()
        await asyncio.sleep(0.5)
        assert time.process_time() - begun < 0.2
        assert bool(made.heard) is not plugin
        if plugin:
            made.transport.resume_reading()
            await until(lambda: made.heard)
        made.transport.close()

    run(main)


def test_so_it_is_on_a_loop_that_keeps_what_is_ready_in_its_own_way(plugin):
    class Other(asyncio.SelectorEventLoop):
        """As trio-asyncio's, which has no deque."""

        def __getattribute__(self, name: str) -> Any:
            # asyncio's own methods look for it in there.
            ours = name == "_ready" and sys._getframe(1).f_globals["__name__"].startswith("tribler")
            return object() if ours else super().__getattribute__(name)

    def run_other(main: Callable[[], Any]) -> None:
        loop = Other()
        try:
            loop.run_until_complete(asyncio.wait_for(main(), 30))
        finally:
            loop.close()

    a_burst_finds_room_in_a_queue_that_is_emptied_meanwhile(run_other)
    each_datagram_finds_the_next_future(run_other)


def test_so_it_is_after_it_was_adopted_and_rebound(plugin):
    seen: collections.Counter[str] = collections.Counter()

    async def main():
        heard = await ear_of("its own", seen)
        transport = heard.transport
        NAME.set("the watchdog's")
        async with Watchdog(transport, Settings(probe_after=0.2)) as watchdog:
            say(heard, 3)
            await until(lambda: sum(seen.values()) == 3)
            if plugin:
                await watchdog.rebind()
            say(heard, 300)
            await until(lambda: sum(seen.values()) > 100)
        transport.close()

    run(main)
    assert set(seen) == {"its own"}


def test_large_datagrams_of_other_families_are_whole(plugin, tmp_path):
    async def main():
        path = str(tmp_path / "socket")
        transport, heard = await asyncio.get_running_loop().create_datagram_endpoint(
            Recorder, local_addr=path, family=socket.AF_UNIX
        )
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            for size in (1000, 65_535, 65_536, 150_000):
                peer.sendto(b"x" * size, path)
                await asyncio.sleep(0.05)
        assert [len(data) for data in heard.heard] == [1000, 65_535, 65_536, 150_000]
        transport.close()

    run(main)


def test_a_descriptor_that_is_closed_under_it_is_no_flood_of_errors():
    tribler_udp_fix.install()

    async def main():
        heard = await ear(lambda it: os.close(it.transport.get_extra_info("socket").fileno()))
        say(heard, 50)
        await until(lambda: heard.lost)
        assert len(heard.heard) == 1
        assert heard.errors == []
        assert isinstance(heard.lost[0], OSError)

    run(main)
    tribler_udp_fix.uninstall()


def test_what_was_closed_is_gone_without_the_garbage_collector(plugin):
    gone: list[weakref.ref[Any]] = []

    async def main():
        heard = await ear()
        transport = heard.transport
        say(heard, 1)
        await until(lambda: heard.heard)
        transport.close()
        await until(lambda: heard.lost)
        assert transport.get_protocol() is None
        gone.extend(weakref.ref(each) for each in (heard, transport))

    gc.collect()
    gc.disable()
    try:
        loop = asyncio.new_event_loop()
        gone.append(weakref.ref(loop))
        loop.run_until_complete(main())
        loop.close()
        del loop
        assert [ref() for ref in gone] == [None, None, None]
    finally:
        gc.enable()


def test_closing_it_while_it_is_made_raises_nothing(plugin):
    loop = asyncio.new_event_loop()
    made = loop.create_datagram_endpoint(Recorder, local_addr=("localhost", 0))
    contextvars.copy_context().run(made.send, None)
    made.close()
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()


def test_a_port_that_workers_share_is_neither_probed_nor_rebound():
    tribler_udp_fix.install()

    async def main():
        first = await ear(reuse_port=True)
        second = await ear(local_addr=first.address, reuse_port=True)
        one, other = first.transport, second.transport
        async with Watchdog([one, other], Settings(probe_after=0.1, tick=0.05)) as watchdog:
            await asyncio.sleep(1.5)
            for status in watchdog.status().endpoints:
                assert (status.probes["sent"], status.rebinds) == (0, 0)
                assert status.reason.startswith("no probe can be sent: others may have its port")
            with pytest.raises(RuntimeError, match="others may have its port"):
                await watchdog.rebind()
        assert first.heard == second.heard == []
        one.close()
        other.close()

    run(main)
    tribler_udp_fix.uninstall()


def test_what_a_program_set_on_its_socket_is_set_on_the_next():
    tribler_udp_fix.install()

    async def main():
        transport = (await ear()).transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, 25, b"lo\0")  # SO_BINDTODEVICE
        sock.setsockopt(socket.SOL_SOCKET, 36, 7)  # SO_MARK
        sock.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER
        for _ in range(2):
            async with Watchdog(transport) as watchdog:
                await watchdog.rebind()
            after = transport.get_extra_info("socket")
            assert after is not sock
            assert after.getsockopt(socket.SOL_SOCKET, 25, 16).rstrip(b"\0") == b"lo"
            assert after.getsockopt(socket.SOL_SOCKET, 36) == 7
            assert after.getsockopt(socket.IPPROTO_IP, 10) == 2
        transport.close()

    run(main)
    tribler_udp_fix.uninstall()


def test_what_is_left_open_on_a_loop_that_ended_lets_go_of_its_port():
    tribler_udp_fix.install(Settings(watch="all"))
    ports: list[int] = []

    async def main():
        heard = await ear(local_addr=("127.0.0.1", ports[0] if ports else 0))
        ports.append(heard.address[1])
        await asyncio.sleep(0.1)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of what is left open
            for _ in range(3):
                run(main)
            tribler_udp_fix.status()
            gc.collect()
    finally:
        tribler_udp_fix.install(Settings())
        tribler_udp_fix.uninstall()
    assert len(set(ports)) == 1


def test_a_file_of_the_programs_that_is_named_like_a_module_is_not_run(tmp_path):
    (tmp_path / "secrets.py").write_text("raise SystemExit('it was run')")
    (tmp_path / "program.py").write_text(
        "import asyncio, tribler_udp_fix\n"
        "from tribler_udp_fix import Settings\n"
        "tribler_udp_fix.install(Settings(watch='all', probe_after=0.1))\n"
        "async def main():\n"
        "    loop = asyncio.get_running_loop()\n"
        "    made = loop.create_datagram_endpoint(asyncio.DatagramProtocol, ('127.0.0.1', 0))\n"
        "    transport, _ = await made\n"
        "    await asyncio.sleep(0.5)\n"
        "    (watchdog,) = tribler_udp_fix.status().watchdogs\n"
        "    print(watchdog.endpoints[0].probes['answered'] > 0)\n"
        "    transport.close()\n"
        "asyncio.run(main())\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
