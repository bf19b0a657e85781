"""What comes while batches are on their way gathers for the next one; an idle engine waits for nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from engine.app import build_processor
from engine.event import Record, Refusal, Submission
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


class GatedEgress:
    """Takes batches of records, and delivers each when its gate is opened."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gates: list[asyncio.Future[list[Refusal]]] = []

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        self.batches.append(len(records))
        self.gates.append(asyncio.get_running_loop().create_future())
        return self.gates[-1]

    async def purge(self) -> None:
        pass

    async def close(self) -> None:
        pass


class Sender:
    """Sends notes one at a time, and knows how many have ended."""

    def __init__(self, processor: Processor) -> None:
        self.ended = self.sent = 0
        self._processor = processor

    def send(self, number: int) -> None:
        for _ in range(number):
            self.sent += 1
            note = orjson.dumps({"kind": "note", "id": f"n{self.sent}", "at": "2026-03-02T09:00:00Z", "user": "u"})
            assert self._processor.offer(
                Submission([note], input_name="test", received_ms=0, size_bytes=len(note), done=self._note)
            )

    def _note(self, _: Submission) -> None:
        self.ended += 1


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - the engine sets no event for it
            await asyncio.sleep(0)


async def turns() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.fixture
def egress() -> GatedEgress:
    return GatedEgress()


@pytest.fixture
async def sender(tmp_path: Path, egress: GatedEgress) -> AsyncIterator[Sender]:
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
        options=Options(),
        topic="out",
    )
    running = asyncio.create_task(processor.run())
    yield Sender(processor)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_single_event_of_an_idle_engine_goes_on_at_once(sender: Sender, egress: GatedEgress) -> None:
    for number in (1, 2):
        sender.send(1)
        await until(lambda number=number: len(egress.batches) == number)  # type: ignore[misc]
        egress.gates[-1].set_result([])
        await until(lambda number=number: sender.ended == number)  # type: ignore[misc]
    assert egress.batches == [1, 1]


async def test_what_comes_meanwhile_goes_as_one_batch_when_the_earlier_ones_have_ended(
    sender: Sender, egress: GatedEgress
) -> None:
    sender.send(5)
    await until(lambda: egress.batches == [5])
    for _ in range(4):
        sender.send(1)
        await turns()
    assert egress.batches == [5]
    egress.gates[0].set_result([])
    await until(lambda: egress.batches == [5, 4])
    assert sender.ended == 5


async def test_as_many_events_as_are_on_their_way_wait_for_nothing(sender: Sender, egress: GatedEgress) -> None:
    sender.send(5)
    await until(lambda: egress.batches == [5])
    sender.send(5)
    await until(lambda: egress.batches == [5, 5])
    sender.send(9)
    await turns()
    assert egress.batches == [5, 5]
    egress.gates[0].set_result([])
    await until(lambda: egress.batches == [5, 5, 9])


async def test_no_more_than_enough_is_gathered(sender: Sender, egress: GatedEgress) -> None:
    sender.send(900)
    await until(lambda: egress.batches == [900])
    sender.send(300)
    await until(lambda: egress.batches == [900, 300])
