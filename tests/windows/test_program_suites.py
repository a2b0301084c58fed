"""The tests of aioquic, aiocoap and kademlia pass with the plugin wherever they pass without it."""

from __future__ import annotations

import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from outcomes import compare
from udp import IN_LAB

# Where the lab has those of the sdists; kademlia's are in its wheel.
TESTS = os.environ.get("WINLAB_PROGRAM_TESTS", "")

pytestmark = [
    pytest.mark.alone,  # some of them depend on time
    pytest.mark.skipif(
        not IN_LAB or sys.version_info[:2] != (3, 12),
        reason="the lab has the programs' tests, for 3.12",
    ),
]

HERE = pathlib.Path(__file__).parent


class Part(NamedTuple):
    """What of a program's tests is run; how many pass without us, and are watched, at least."""

    names: tuple[str, ...]
    pass_without: int
    watched: int


PARTS = {
    # The others of aioquic's open no endpoint: they have QUIC, TLS and HTTP/3 by the byte.
    "aioquic": Part(("tests.test_asyncio",), 25, 40),
    # Left out of aiocoap's:
    # - over TCP, TLS or WebSockets: noncoap_tcp_client, tls;
    # - want what the lab has not got, such as DTLSSocket or cbor2: commandline, dtls, edhoc,
    #   fileserver, group_oscore, oscore, oscore_plugtest;
    # - open no endpoint: credentials, doctest, encoding, tests, timeoutdict, uri_handling,
    #   uri_path_abbrev, util_cryptography;
    # - the same transports once more, for minutes: blockwise, proxy, rd_examples, reverseproxy,
    #   server.
    "aiocoap": Part(
        (
            *("tests.test_client", "tests.test_noncoap_client"),
            *("tests.test_observe", "tests.test_protocol"),
        ),
        15,
        40,
    ),
    "kademlia": Part(("kademlia.tests",), 18, 3),
}
# As by default, but sooner: a test seldom lasts the ten seconds of quiet before a probe.
ON = {"TRIBLER_UDP_FIX_WATCH": "all", "TRIBLER_UDP_FIX_PROBE_AFTER": "0.5"}


def pass_as_before(program, folder):
    """Both runs of a program's tests; fails where the second has lost one, or either was empty."""
    part = PARTS[program]
    # Also what aiocoap's sdist leaves out: its `tests` are in two folders, without an __init__.
    searched = [f"{TESTS}\\{program}", str(HERE / "stand_in" / f"{program}_tests")]
    stock, repaired = compare(
        part.names,
        folder,
        in_turn="their ports are the same",
        runner=str(HERE / "program_suite.py"),
        PYTHONPATH=os.pathsep.join(searched),
        **ON,
    )
    assert list(stock.values()).count("passed") >= part.pass_without
    assert repaired["everything"]["watched"] >= part.watched


def test_the_tests_of_aioquic_aiocoap_and_kademlia_pass_as_before(tmp_path):
    assert TESTS, "the lab has laid no tests of the programs"
    with ThreadPoolExecutor() as pool:  # their ports are different
        runs = [pool.submit(pass_as_before, program, tmp_path) for program in PARTS]
    for run in runs:
        run.result()
