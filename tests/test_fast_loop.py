"""A loop whose time runs ahead, on Linux; tests/windows has Windows' loops."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from tribler_udp_fix import testing

from .datagrams import endpoint, send

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="tests/windows shows the same of Windows' loops"
)


def test_a_fast_loop_runs_a_day_ahead_with_real_sockets():
    async def main():
        loop = asyncio.get_running_loop()
        began, real = loop.time(), time.monotonic()
        made = await endpoint()
        for number in range(100):
            send(made.address, b"%d" % number)
            await asyncio.sleep(0.01)
            assert len(made.heard) == number + 1
            await asyncio.sleep(864)
        assert 86_400 < loop.time() - began < 90_000
        assert time.monotonic() - real < 3600
        made.transport.close()

    loop = testing.fast_loop()
    loop.run_until_complete(main())
    loop.close()


def test_a_fast_proactor_is_refused_where_there_is_none():
    with pytest.raises(testing.FaultUnavailable, match="'selector'"):
        testing.fast_loop("proactor")
