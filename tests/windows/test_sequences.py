"""Whatever happens to a datagram transport, its protocol and peer see what the Selector shows."""

from __future__ import annotations

import asyncio

import pytest
from compared import differences, outcomes
from sequences import sequence

# An error that comes in the very moment in which a wait is given up can be lost with it, one in
# some thousands: what differs is played again.
PLAYS = 3
SEQUENCES = [sequence(number) for number in range(100)]


@pytest.fixture(scope="module")
def stock():
    """What SelectorEventLoop's own transport shows of each sequence."""
    return outcomes(asyncio.SelectorEventLoop, SEQUENCES, ours=False)


@pytest.mark.parametrize("way", ["proactor", "proactor-one-at-a-time", "selector"])
def test_random_sequences_show_what_selector_event_loop_shows(stock, way):
    loops = {"selector": asyncio.SelectorEventLoop}
    make_loop = loops.get(way, getattr(asyncio, "ProactorEventLoop", None))
    numbers, found = list(range(len(SEQUENCES))), ["not played"]
    for _ in range(PLAYS):
        if found:
            played, expected = [SEQUENCES[n] for n in numbers], [stock[n] for n in numbers]
            fast_path = way != "proactor-one-at-a-time"
            found = differences(make_loop, played, expected, fast_path)
            numbers = [int(line.split()[0]) for line in found]
    assert not found, "\n".join(found)
