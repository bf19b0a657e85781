"""What waits for something else is bounded, and whoever it is too much for is told so."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from engine.app import Limits, build_processor
from engine.event import Event, Outcome, Record, Refusal, Submission
from engine.pipeline.deferred import DeferredQueue
from engine.pipeline.processor import Options, Processor
from engine.rules.compiler import compile_rules
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters

PATIENCE_S = 5
RULES = """
version: 1
events: {type: kind, time: at, key: user, types: {note: {}}}
deduplication: {note: {key: id, ttl: 1h}}
"""


class StuckEgress:
    """Takes records, and delivers them once `gate` is open."""

    def __init__(self) -> None:
        self.busy = asyncio.Event()
        self.gate = asyncio.Event()

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        if records:
            self.busy.set()
        return self._delivered()

    async def _delivered(self) -> list[Refusal]:
        await self.gate.wait()
        return []

    async def purge(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.fixture
def egress() -> StuckEgress:
    return StuckEgress()


@pytest.fixture(params=[False, True], ids=["delivered", "received"])
async def processor(tmp_path: Path, egress: StuckEgress, request: pytest.FixtureRequest) -> AsyncIterator[Processor]:
    """An engine that lets two copies wait; its parameter says whether senders are answered as received."""
    (tmp_path / "rules.yaml").write_text(RULES)
    plan = compile_rules(tmp_path, {}).plan
    assert plan is not None
    clock = ManualClock()
    processor = build_processor(
        plan,
        store=MemoryStateStore(clock),
        egress=egress,
        dead_letters=RecordingDeadLetters(),
        clock=clock,
        options=Options(ack_received=request.param),
        topic="out",
        limits=Limits(waiting_copies=2),
    )
    running = asyncio.create_task(processor.run())
    yield processor
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def notes(processor: Processor, number: int) -> Submission:
    """So many copies of one event, taken in; `outcomes` says what became of each."""
    note = {"kind": "note", "id": "a", "user": "u", "at": processor.stages.clock.now_ms()}
    submission = Submission(
        [dict(note) for _ in range(number)], input_name="test", received_ms=0, size_bytes=0, done=lambda _: None
    )
    assert processor.offer(submission)
    return submission


async def ended(processor: Processor, events: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while processor.stages.answers.ledger.total_ended() < events:  # noqa: ASYNC110 - the engine has no event for it
            await asyncio.sleep(0)


@pytest.mark.parametrize("processor", [False], indirect=True)
async def test_a_copy_beyond_those_that_may_wait_is_told_to_come_again(processor: Processor, egress: StuckEgress) -> None:
    submission = notes(processor, 5)
    await ended(processor, 2)

    assert [outcome and (outcome.status, outcome.code) for outcome in submission.outcomes] == [
        *[None] * 3,
        *[("retry", "too_many_copies")] * 2,
    ]
    egress.gate.set()
    await ended(processor, 5)
    assert statuses(submission.outcomes) == ["accepted", "duplicate", "duplicate", "retry", "retry"]
    assert processor.stages.answers.copies == 0


@pytest.mark.parametrize("processor", [True], indirect=True)
async def test_a_copy_whose_sender_was_answered_is_no_longer_needed_where_too_many_wait(
    processor: Processor, egress: StuckEgress
) -> None:
    submission = notes(processor, 5)
    await ended(processor, 2)

    assert processor.in_flight() == 3
    egress.gate.set()
    await ended(processor, 5)
    assert statuses(submission.outcomes) == ["accepted"] * 5
    assert processor.stages.answers.ledger.ended["duplicate"] == 4


def statuses(outcomes: Sequence[Outcome | None]) -> list[str | None]:
    return [outcome and outcome.status for outcome in outcomes]


def test_a_queue_has_no_room_where_there_are_events_or_bytes_enough() -> None:
    submission = Submission([b"x" * 10] * 2, input_name="test", received_ms=0, size_bytes=20, done=lambda _: None)
    first, second = (Event({}, None, "note", 0, None, None, 0, 0, submission, index) for index in range(2))
    queue = DeferredQueue(max_events=3, max_bytes=15)

    queue.add([first], None)
    assert (queue.room, queue.size_bytes) == (2, 10)
    queue.put_back([second], None)
    assert (queue.room, queue.size_bytes) == (0, 20)
    assert queue.take(5) == ([second, first], None)
    assert (queue.room, queue.size_bytes) == (3, 0)


def test_what_is_deferred_takes_no_more_memory_than_it_has_contents() -> None:
    submission = Submission([b"{}"], input_name="test", received_ms=0, size_bytes=2, done=lambda _: None)
    queue = DeferredQueue(max_events=1_000)
    tracemalloc.start()
    try:
        for number in range(1_000):
            queue.add([Event({}, None, "note", 0, None, None, 0, 0, submission, 0, orjson.dumps({"n": number}))], None)
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size_bytes / 1_000 < 2_048
