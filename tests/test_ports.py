"""When a port is given up for another one."""

from __future__ import annotations

import errno
import math
import sys

import pytest

from tribler_udp_fix._asyncio._ports import PortChange

IN_USE = OSError(errno.EADDRINUSE, "in use")
NOT_HERE = OSError(errno.EADDRNOTAVAIL, "not here")
RESERVED = OSError(10013 if sys.platform == "win32" else errno.EACCES, "not for you")


@pytest.mark.parametrize(
    ("after", "failures"), [(0, [True, True]), (2, [False, True]), (math.inf, [False, False])]
)
def test_a_port_in_use_is_given_up_after_so_many_failures(after, failures):
    ports = PortChange(after)
    for _ in range(2):
        assert [ports.failed(IN_USE) for _ in failures] == failures
        ports.bound()


@pytest.mark.parametrize(("after", "moves"), [(0, True), (30, True), (math.inf, False)])
def test_a_reserved_port_is_given_up_at_once_but_for_never(after, moves):
    assert PortChange(after).failed(RESERVED) is moves


def test_an_address_that_is_not_there_has_no_better_port():
    assert not any(PortChange(0).failed(NOT_HERE) for _ in range(3))
