"""Who opens, closes or rebinds one thing: each in turn."""

from __future__ import annotations

import asyncio

import pytest

from tribler_udp_fix._asyncio._one_at_a_time import _ends, one_at_a_time


class Thing:
    pass


@pytest.mark.parametrize("gives_up", [None, 0, 1, 2])
def test_turns_are_taken_in_the_order_of_arrival_also_where_one_gives_up(gives_up):
    inside: list[object] = []
    took: list[object] = []

    async def take(thing, number):
        async with one_at_a_time(thing):
            assert inside == []
            inside.append(number)
            try:
                await asyncio.sleep(0.01)
            finally:
                inside.clear()
            took.append(number)

    async def main():
        thing = Thing()
        takers = [asyncio.ensure_future(take(thing, number)) for number in range(4)]
        await asyncio.sleep(0)
        if gives_up is not None:
            takers[gives_up].cancel()
        await asyncio.wait(takers)
        assert took == [number for number in range(4) if number != gives_up]
        await take(thing, "later")
        assert thing not in _ends

    asyncio.run(main())


def test_a_turn_that_an_event_loop_left_open_keeps_nobody_waiting_on_another():
    thing = Thing()

    async def take():
        async with one_at_a_time(thing):
            return "taken"

    loop = asyncio.new_event_loop()
    _ends[thing] = loop.create_future()
    loop.close()
    assert asyncio.run(take()) == "taken"
    assert thing not in _ends
