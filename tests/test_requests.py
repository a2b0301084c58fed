"""Requests that are sent again, and answered once, on Linux; tests/windows does so on Windows."""

from __future__ import annotations

import sys

import pytest

import tribler_udp_fix

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
