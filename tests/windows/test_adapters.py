"""Windows' network adapters: found by name, kept to by endpoints, and what Windows tells of them.

Wine has one adapter here, and tells of no changes: its calls are made by hand, from another thread.
Adapters that come and go are in tests/test_networks.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import sys
import threading
from typing import Any

import pytest
from udp import IN_LAB, LOOPBACK, Recorder, needs_pyipv8, only_on

from tribler_udp_fix import Settings, Watchdog
from tribler_udp_fix._asyncio._interfaces import Interface, NoInterface

if sys.platform == "win32":
    from tribler_udp_fix._asyncio import _iphlpapi
    from tribler_udp_fix._watchdog import _windows_notices

pytestmark = only_on("3.8", "3.12")

ADDED, DELETED, INITIAL = 1, 2, 3  # MIB_NOTIFICATION_TYPE
RESUME_AUTOMATIC, SUSPEND = 0x12, 0x4
FAMILIES = (socket.AF_INET, socket.AF_INET6)


def loopback_adapter(family: int = socket.AF_INET) -> Any:
    host = LOOPBACK[family]
    return next(one for one in _iphlpapi.adapters() if host in [each.host for each in one.hosts])


@pytest.mark.parametrize("family", FAMILIES, ids=["IPv4", "IPv6"])
def test_an_adapter_is_found_by_its_name_and_by_its_guid(family):
    adapter = loopback_adapter(family)
    found = {
        Interface(name).place(family)
        for name in (adapter.name, adapter.name.upper(), adapter.guid, adapter.guid.strip("{}"))
    }
    (place,) = found
    assert place.number == (adapter.number if family == socket.AF_INET else adapter.number6) > 0
    assert LOOPBACK[family] in place.hosts


def test_an_adapter_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(NoInterface) as caught:
        Interface("Nonesuch").place(socket.AF_INET)
    said = "its adapter Nonesuch is not on this machine, which has "
    assert str(caught.value).startswith(said)
    assert loopback_adapter().name in str(caught.value)


WINES = "Wine hands IPV6_UNICAST_IF to Linux as it is, which wants another byte order"


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(socket.AF_INET, id="IPv4"),
        pytest.param(socket.AF_INET6, id="IPv6", marks=pytest.mark.skipif(IN_LAB, reason=WINES)),
    ],
)
def test_a_socket_keeps_to_its_adapter(family):
    interface = Interface(loopback_adapter(family).name)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        assert not interface.has(sock)
        sock.bind(interface.take(sock, ("", 0)))
        assert sock.getsockname()[0] == LOOPBACK[family]
        assert interface.has(sock)
        assert interface.keeps(sock)


def test_a_transport_is_moved_to_the_adapter_is_heard_and_keeps_its_port(repaired, run_both):
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        transport, recorder = await loop.create_datagram_endpoint(
            Recorder, local_addr=("0.0.0.0", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        name = loopback_adapter().name
        settings = Settings(probe_after=0.3, probe_timeout=0.3, tick=0.05)
        async with Watchdog(transport, settings, bind_interface=name) as watchdog:
            assert transport.get_extra_info("socket").fileno() == -1  # nothing leaves any more
            await asyncio.sleep(1.5)
            (status,) = watchdog.status().endpoints
            assert status.state in ("healthy", "quiet")
            assert status.interface == name
            assert transport.get_extra_info("sockname") == ("127.0.0.1", port)
            assert status.probes["answered"] > 1
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.sendto(b"good", ("127.0.0.1", port))
            await asyncio.sleep(0.2)
        assert ("heard", b"good") in recorder.calls
        transport.close()

    run_both(scenario)


def test_a_transport_whose_adapter_is_not_there_sends_nothing_and_says_why(repaired, run_both):
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Recorder, local_addr=("0.0.0.0", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))
            peer.settimeout(0.5)
            async with Watchdog(transport, bind_interface="Nonesuch") as watchdog:
                transport.sendto(b"anybody?", peer.getsockname())
                (status,) = watchdog.status().endpoints
                assert status.reason.startswith("its adapter Nonesuch is not on this machine")
                with pytest.raises(socket.timeout):
                    peer.recv(100)
        transport.close()

    run_both(scenario)


def test_a_transport_of_the_programs_own_socket_is_refused(repaired, run_both):
    async def scenario() -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Recorder, sock=sock)
        with pytest.raises(ValueError, match=r"^bind_interface='Nonesuch' is not for "):
            Watchdog(transport, bind_interface="Nonesuch").start()
        transport.close()

    run_both(scenario)


@needs_pyipv8
def test_an_ipv8_endpoint_opens_on_the_adapter_that_is_set(repaired, run_both, monkeypatch):
    from ipv8.messaging.interfaces.udp.endpoint import UDPEndpoint

    from tribler_udp_fix import _settings

    async def scenario() -> None:
        monkeypatch.setattr(
            _settings, "_in_force", Settings(bind_interface=loopback_adapter().name)
        )
        endpoint, elsewhere = UDPEndpoint(0, "0.0.0.0"), UDPEndpoint(0, "127.0.0.1")
        assert await endpoint.open()
        assert endpoint.get_address()[0] == "127.0.0.1"
        monkeypatch.setattr(_settings, "_in_force", Settings(bind_interface="Nonesuch"))
        assert await elsewhere.open()  # bound to an address of its program's choice
        nowhere = UDPEndpoint(0, "0.0.0.0")
        assert not await nowhere.open()
        endpoint.close()
        elsewhere.close()
        await asyncio.sleep(0)

    run_both(scenario)


class Hearer:
    """Remembers what it is told, and in which thread."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.threads: set[int] = set()

    def _note(self, *what: Any) -> None:
        self.told.append(what)
        self.threads.add(threading.get_ident())

    def address_changed(self, host: str, there: bool) -> None:
        self._note(host, there)

    def interface_changed(self) -> None:
        self._note("interface")

    def resumed(self) -> None:
        self._note("resumed")


def first_row() -> int:
    """The address of a MIB_UNICASTIPADDRESS_ROW of the system's own making."""
    table = ctypes.c_void_p()
    library = ctypes.WinDLL("iphlpapi")
    assert library.GetUnicastIpAddressTable(socket.AF_UNSPEC, ctypes.byref(table)) == 0
    assert table.value is not None
    return table.value + 8  # after ULONG NumEntries, aligned for its ULONG64s; it is never freed


def test_what_windows_calls_from_its_threads_is_told_on_the_event_loop(run_both):
    known = {each.host for one in _iphlpapi.adapters() for each in one.hosts}

    async def scenario() -> None:
        hearer = Hearer()
        notices = _windows_notices.WindowsNotices(asyncio.get_running_loop(), hearer)
        addresses, power = notices._registrations  # this Windows has accepted both
        assert addresses._handles
        row = first_row()

        def windows() -> None:
            for kind in (INITIAL, ADDED, DELETED):
                addresses._on_address(None, row, kind)
                addresses._on_interface(None, None, kind)
            for kind in (SUSPEND, RESUME_AUTOMATIC):
                assert power._parameters.callback(None, kind, None) == 0

        thread = threading.Thread(target=windows)
        thread.start()
        thread.join()
        await asyncio.sleep(0.05)
        host = hearer.told[0][0]
        assert host in known
        interface = ("interface",)
        expected = [(host, True), interface, (host, False), interface, ("resumed",)]
        assert hearer.told == expected
        assert hearer.threads == {threading.get_ident()}
        notices.close()
        notices.close()
        assert notices not in _windows_notices._open

    run_both(scenario)


def test_a_call_after_the_loop_was_closed_raises_nothing():
    loop = asyncio.SelectorEventLoop()
    hearer = Hearer()
    notices = _windows_notices.WindowsNotices(loop, hearer)
    addresses, power = notices._registrations
    loop.close()
    addresses._on_address(None, first_row(), ADDED)
    power._parameters.callback(None, RESUME_AUTOMATIC, None)
    notices.close()
    assert hearer.told == []


@pytest.mark.parametrize("missing", ["addresses", "resumes"])
def test_what_windows_refuses_is_done_without(missing, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError("not on this Windows")

    broken = "Registration" if missing == "addresses" else "ResumeRegistration"
    monkeypatch.setattr(_windows_notices, broken, refuse)
    with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        notices = _windows_notices.WindowsNotices(loop, Hearer())
        assert len(notices._registrations) == 1
        notices.close()


def test_a_resume_that_windows_tells_of_is_told_once_and_probes(repaired, run_both):
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Recorder, local_addr=("127.0.0.1", 0))
        async with Watchdog(transport, Settings(probe_after=60, tick=0.05)) as watchdog:
            around = watchdog._around
            assert around is not None
            around.resumed()
            around.resumed()
            await asyncio.sleep(0.3)
            status = watchdog.status()
            assert status.endpoints[0].probes["answered"] == 1
            assert [event.kind.value for event in status.history].count("resumed") == 1
        transport.close()

    run_both(scenario)
