"""One owner after another, and no more of them once the processor is told to stop."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.app import build_processor
from engine.event import Submission
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.processor import Options, Processor
from engine.ports import StateStore
from engine.rules.model import Events, Ruleset
from engine.rules.plan import make_plan
from engine.state.memory import MemoryStateStore
from engine.state.sqlite import SqliteStateStore
from engine.testing import ManualClock, RecordingDeadLetters, RecordingEgress
from tests.unit.pipeline.test_aggregate import path

LEASE_MS = 15_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def processor(clock: ManualClock) -> Processor:
    return over(MemoryStateStore(clock), clock)


def over(store: StateStore, clock: ManualClock) -> Processor:
    return build_processor(
        make_plan(Ruleset("0" * 64, Events(path("type"), path("time"), None, unknown_types="pass"))),
        store=store,
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


@pytest.mark.parametrize(("expired", "within_ms"), [(400, 20_000), (18_000, 12_000)])
async def test_what_has_expired_is_swept_in_one_round_however_little_of_all_it_is(
    tmp_path: Path, clock: ManualClock, expired: int, within_ms: int
) -> None:
    store = SqliteStateStore(tmp_path / "state.db", clock, "NORMAL")
    keys = [f"a:{number}" for number in range(20_000)]
    ttls_ms = [600_000 if number < expired else 86_400_000 for number in range(len(keys))]
    await store.claim("earlier", 1, keys, [1] * len(keys), ttls_ms)
    clock.advance(600_001)

    running = asyncio.create_task(over(store, clock).run())
    begun_ms = clock.monotonic_ms()
    while clock.monotonic_ms() < begun_ms + within_ms:
        for _ in range(20):
            await asyncio.sleep(0)
        clock.advance(min(clock.next_due_ms() or 1, 500))
    running.cancel()
    await asyncio.wait([running])

    with closing(sqlite3.connect(tmp_path / "state.db")) as file:
        assert file.execute("SELECT count(*) FROM claim").fetchone() == (len(keys) - expired,)
    await store.close()
