"""One owner after another, and no more of them once the processor is told to stop."""

import asyncio

import pytest

from engine.app import build_processor
from engine.event import Submission
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.processor import Options, Processor
from engine.rules.model import Events, Ruleset
from engine.rules.plan import make_plan
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters, RecordingEgress
from tests.unit.pipeline.test_aggregate import path

LEASE_MS = 15_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def processor(clock: ManualClock) -> Processor:
    return build_processor(
        make_plan(Ruleset("0" * 64, Events(path("type"), path("time"), None, unknown_types="pass"))),
        store=MemoryStateStore(clock),
        egress=RecordingEgress(),
        dead_letters=RecordingDeadLetters(),
        clock=clock,
        options=Options(),
        topic="events",
    )


async def carried(processor: Processor) -> None:
    """Return when an event has gone through: then an owner is in office."""
    ended = asyncio.Event()
    item = b'{"type": "t", "time": 1772442000000}'
    processor.offer(Submission([item], input_name="test", received_ms=0, size_bytes=9, done=lambda _: ended.set()))
    await ended.wait()


@pytest.mark.parametrize("stop", ["cancel", "drain"])
async def test_a_processor_that_is_stopped_while_its_owner_goes_still_ends(
    processor: Processor, clock: ManualClock, stop: str
) -> None:
    async with asyncio.timeout(5):
        running = asyncio.create_task(processor.run())
        await carried(processor)

        clock.advance(2 * LEASE_MS)  # the next renewal is too late, and the owner retires: at the same moment
        running.cancel() if stop == "cancel" else processor.drain()

        await asyncio.wait([running])
    assert running.cancelled() == (stop == "cancel")


def test_a_lease_of_any_length_is_kept_in_the_proportions_of_the_usual_one() -> None:
    assert LeaseTimes.of(15_000) == LeaseTimes()
    assert LeaseTimes.of(3_000) == LeaseTimes(lease_ms=3_000, renew_ms=1_000, margin_ms=400)


class CountingStore(MemoryStateStore):
    """Says of each bite of its sweep that so many rows had expired, and how many bites there were."""

    def __init__(self, clock: ManualClock, *removed: int) -> None:
        super().__init__(clock)
        self._removed = list(removed)
        self.bites = 0

    async def sweep(self, limit: int) -> int:
        del limit
        self.bites += 1
        return self._removed.pop(0) if self._removed else 0


async def test_the_store_is_swept_on_while_a_good_part_of_what_is_looked_at_has_expired(clock: ManualClock) -> None:
    store = CountingStore(clock, 300, 2_000, 250, 20)
    swept = build_processor(
        make_plan(Ruleset("0" * 64, Events(path("type"), path("time"), None, unknown_types="pass"))),
        store=store,
        egress=RecordingEgress(),
        dead_letters=RecordingDeadLetters(),
        clock=clock,
        options=Options(),
        topic="events",
    )
    async with asyncio.timeout(5):
        running = asyncio.create_task(swept.run())
        await carried(swept)
        while store.bites < 4:
            clock.advance(100 if store.bites else 10_000)
            await asyncio.sleep(0)
        for _ in range(20):
            clock.advance(100)
            await asyncio.sleep(0)
        swept.drain()
        await asyncio.wait([running])

    assert store.bites == 4
