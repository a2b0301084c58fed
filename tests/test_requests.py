"""Requests that are sent again, and answered once, on Linux; tests/windows does so on Windows."""

from __future__ import annotations

import asyncio
import importlib.util
import sys

import pytest

import tribler_udp_fix
from tribler_udp_fix._requests._exchanges import Exchanges

from .windows_tests import taken_from

if sys.platform == "win32":
    pytest.skip("tests/windows/test_requests.py is for Windows", allow_module_level=True)
pytest.importorskip("ipv8", reason="pyipv8 does not support this Python")
pytest.register_assert_rewrite("request_cases", "answer_cases", "request_harness")

globals().update(taken_from("test_requests"))


@pytest.fixture
def repaired():
    tribler_udp_fix.install()
    yield
    tribler_udp_fix.uninstall()


def test_on_a_transport_of_asyncios_own_a_closed_endpoint_is_handed_no_resend():
    import request_harness

    request_harness.run("a_closed_endpoint_is_handed_no_resend")


@pytest.mark.skipif(
    importlib.util.find_spec("ipv8_rust_tunnels") is None, reason="the lab's Linux venv has it"
)
def test_while_an_endpoint_of_rust_has_no_socket_time_stands_still():
    import rust

    async def main():
        async with rust.rust_endpoint() as endpoint:
            exchanges = Exchanges(endpoint)
            with rust.leaf_of(endpoint) as leaf:
                assert exchanges.has_socket(ipv6=False)
                async with rust.in_gap(leaf):
                    assert not exchanges.has_socket(ipv6=False)
                    assert exchanges.has_socket(ipv6=True)  # as far as that is known
                    began = exchanges.time(ipv6=False)
                    await asyncio.sleep(0.1)
                    assert exchanges.time(ipv6=False) == pytest.approx(began, abs=0.01)
                await leaf.rebind()
                assert exchanges.has_socket(ipv6=False)

    rust.run(main)
