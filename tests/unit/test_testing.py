"""The parts that tests are made of do as the real ones do."""

import asyncio

import pytest

from engine.testing import ManualClock


@pytest.mark.parametrize("delay_ms", [0, -5])
async def test_a_sleep_of_no_time_lets_others_go_on_and_returns_though_the_clock_stands_still(delay_ms: int) -> None:
    clock, seen = ManualClock(), list[str]()
    asyncio.get_running_loop().call_soon(seen.append, "another's turn")

    async with asyncio.timeout(5):
        await clock.sleep(delay_ms)

    assert seen == ["another's turn"]
    assert clock.next_due_ms() is None


async def test_a_sleep_returns_when_the_clock_has_come_that_far_and_not_before() -> None:
    clock = ManualClock()
    sleeping = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)

    clock.advance(9)
    await asyncio.sleep(0)
    assert not sleeping.done()

    clock.advance(1)
    async with asyncio.timeout(5):
        await sleeping
