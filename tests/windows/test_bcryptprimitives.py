"""Random numbers as Rust programs ask Windows for them; in the lab from a DLL of its own."""

from __future__ import annotations

import ctypes

import pytest


@pytest.mark.parametrize("size", [0, 1, 16, 100000])
def test_process_prng_fills_the_buffer_and_nothing_beyond(size):
    guard = b"guard"
    process_prng = ctypes.CDLL("bcryptprimitives").ProcessPrng
    draws = set()
    for _ in range(2):
        buffer = ctypes.create_string_buffer(bytes(size) + guard, size + len(guard))
        assert process_prng(buffer, ctypes.c_size_t(size))
        assert buffer.raw[size:] == guard
        draws.add(buffer.raw[:size])
    if size >= 16:
        assert len(draws) == 2
        assert bytes(size) not in draws
