"""How many system calls and Python function calls a datagram costs, with asyncio's own beside it.

Counts, not times: they are the same on a busy machine.
"""

from __future__ import annotations

import pytest
from calls import count

import tribler_udp_fix

BURST = 32


@pytest.fixture
def counted(run_stock, monkeypatch):
    """The calls for each datagram: asyncio's own, and with the plugin."""

    def counted(datagrams):
        # However slow the machine is: a transport's share of a turn does not end by its time.
        monkeypatch.setattr("tribler_udp_fix._asyncio._turns.SHARE", 60.0)
        stock = run_stock(lambda: count(datagrams))
        tribler_udp_fix.install()
        try:
            return stock, run_stock(lambda: count(datagrams))
        finally:
            tribler_udp_fix.uninstall()

    return counted


def test_a_lone_datagram_costs_no_more_calls_than_without_the_plugin(counted):
    stock, repaired = counted(1)
    assert repaired.system <= stock.system
    assert repaired.python <= stock.python


def test_a_datagram_among_many_costs_its_receive_and_its_send_and_little_more(counted):
    stock, repaired = counted(BURST)
    # A look that finds nothing, a receive that waits, and the polls of a few turns of the loop.
    assert repaired.system <= (2 * BURST + 12) / BURST
    assert repaired.system <= stock.system / 2
    # The protocol, its sendto(), the send itself, and a share of those few turns.
    assert repaired.python <= 8
    assert repaired.python <= stock.python / 5
