"""Nothing is left of an endpoint that was closed, or of a socket that was replaced."""

from __future__ import annotations

import pytest
from leaks import KINDS, left
from udp import only_on

pytestmark = only_on("3.8", "3.12")

TIMES, WARM_UP = 150, 50
MEASUREMENTS = 6  # at most: a heap grows by steps, and what leaks does so each time
# For each. A buffer of asyncio's has 65,535 bytes and more, of which the system gives those pages
# that are touched.
TRACED, PRIVATE, OBJECTS = 200, 2500, 1
# For all: Wine and the loop may hold some more by chance.
HANDLES = 10


@pytest.mark.parametrize("kind", KINDS)
def test_endpoints_and_sockets_that_have_gone_leave_nothing(repaired, kind):
    for _ in range(MEASUREMENTS):
        found = left(kind, TIMES, WARM_UP)
        if found.private < TIMES * PRIVATE:
            break
    assert found.traced < TIMES * TRACED
    assert found.private < TIMES * PRIVATE
    assert found.handles < HANDLES
    assert found.objects < TIMES * OBJECTS
    assert found.sockets == 0


def test_what_asyncio_leaves_of_a_receive_that_fails_at_once_is_seen():
    for _ in range(MEASUREMENTS):
        found = left("buffers", TIMES, WARM_UP)
        assert found.traced > TIMES * 65_535
        assert found.private > TIMES * PRIVATE
