"""How busy a worker is, by a clock that the test holds."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from engine.operations.activity import SAMPLE_MS, Activity
from engine.testing import ManualClock


class Worker:
    """Computes and ends events as it is told to."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.busy_ns = 0
        self.ended = 0
        self.activity = Activity(self.clock, lambda: self.busy_ns, lambda: self.ended)

    async def work(self, seconds: int, *, busy: float, events: int) -> None:
        """Pass so many seconds, the same in each of them."""
        for _ in range(seconds):
            self.busy_ns += round(busy * 1e9)
            self.ended += events
            self.clock.advance(1_000)
            await asyncio.sleep(0)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    watching = asyncio.create_task(worker.activity.watch())
    await asyncio.sleep(0)
    yield worker
    watching.cancel()


async def test_a_worker_that_has_just_started_is_idle(worker: Worker) -> None:
    assert (worker.activity.busy(), worker.activity.events_per_second()) == (0, 0)


async def test_shares_and_rates_are_those_of_the_time_that_passed(worker: Worker) -> None:
    await worker.work(3, busy=0.5, events=20)

    assert worker.activity.busy() == pytest.approx(0.5)
    assert worker.activity.events_per_second() == pytest.approx(20)


async def test_what_lies_more_than_a_minute_back_counts_no_more(worker: Worker) -> None:
    await worker.work(300, busy=1, events=1_000)
    assert worker.activity.busy() == pytest.approx(1)

    await worker.work(60 + SAMPLE_MS // 1_000, busy=0.1, events=7)

    assert worker.activity.busy() == pytest.approx(0.1)
    assert worker.activity.events_per_second() == pytest.approx(7)
