"""The tests of CPython and of pyipv8 pass with the plugin wherever they pass without it."""

from __future__ import annotations

import os
import pathlib
import pkgutil
import sys

import pytest
from outcomes import compare
from udp import IN_LAB

ASYNCIO = [
    "test.test_asyncio.test_proactor_events",
    "test.test_asyncio.test_windows_events",
    "test.test_asyncio.test_sock_lowlevel",
]
# They send to a closed port and want loop.sock_recvfrom() to return b"" for the ICMP error. With
# the plugin it waits for the next datagram, as users ask (F9), so these two would wait for ever.
LOWLEVEL = "test.test_asyncio.test_sock_lowlevel.ProactorEventLoopTests."
BROKEN_BY_INTENT = [
    LOWLEVEL + "test_datagram_send_to_non_listening_address_recvfrom",
    LOWLEVEL + "test_datagram_send_to_non_listening_address_recvfrom_into",
]
PYIPV8 = [
    "REST",
    "attestation",
    "bootstrapping",
    "dht",
    "keyvault",
    "messaging",
    "peerdiscovery",
    "test_community",
    "test_configuration",
    "test_database",
    "test_loader",
    "test_peer",
    "test_requestcache",
    "test_taskmanager",
]
# In the lab these are from Debian: libpython3.11-testsuite and libpython3.13-testsuite.
CPYTHON_TESTS = os.environ.get("WINLAB_CPYTHON_TESTS", "")


@pytest.mark.alone  # some of them depend on time
@pytest.mark.skipif(
    IN_LAB and not CPYTHON_TESTS, reason="the lab has the tests of CPython 3.11 and 3.13"
)
def test_cpythons_own_tests_of_the_proactor_pass_as_before(tmp_path):
    stock, _ = compare(ASYNCIO, tmp_path, BROKEN_BY_INTENT, PYTHONPATH=CPYTHON_TESTS)
    assert list(stock.values()).count("passed") >= 100
    # They are in CPython's tests since 3.11.9, 3.12.3 and 3.13.0; Debian's of 3.11 are older.
    if sys.version_info[:2] == (3, 13):
        assert [stock[test] for test in BROKEN_BY_INTENT] == ["passed", "passed"]


on_3_13 = pytest.mark.skipif(
    sys.version_info[:2] != (3, 13) or "overlay" in sys.version,
    reason="pyipv8's tests are run on 3.13 with its own asyncio",
)


@on_3_13
@pytest.mark.parametrize("part", PYIPV8)
def test_pyipv8s_own_tests_pass_as_before(part, tmp_path):
    stock, repaired = compare([f"ipv8.test.{part}"], tmp_path)
    assert "passed" in stock.values()
    for test in stock:
        if test.endswith(".test_send_too_big_message"):  # dies of F5
            assert (stock[test], repaired[test]) == ("failed", "passed")


@on_3_13
def test_no_part_of_pyipv8s_tests_is_left_out():
    import ipv8.test

    parts = {module.name for module in pkgutil.iter_modules(ipv8.test.__path__)}
    assert parts - {"base", "mocking"} == set(PYIPV8)
    assert "test_send_too_big_message" in pathlib.Path(
        ipv8.test.__path__[0], "messaging", "interfaces", "udp", "test_endpoint.py"
    ).read_text(encoding="utf-8")
