"""`ack: received`: senders are answered at once, and what they sent goes on to its end, whatever happens to its owner."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from engine.app import build_processor
from engine.event import JsonObject, Outcome, Record, Refusal, Submission
from engine.pipeline.processor import Options, Processor
from engine.rules.compiler import compile_rules
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters

PATIENCE_S = 5
RULES = """
version: 1
events: {type: kind, time: at, key: user, types: {note: {}}}
deduplication: {note: {key: id, ttl: 1h}}
filters:
  robots: {when: {agent: robot}, then: {block: {reason: robot}}}
  all: {when: {kind: note}, then: {allow: {mark: seen}}}
"""


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - the engine has no event for what only a test wants to know
            await asyncio.sleep(0)


class GatedEgress:
    """Takes records at once, and delivers them while the gate is open."""

    def __init__(self) -> None:
        self.handed_over: asyncio.Queue[list[Record]] = asyncio.Queue()
        self.gate = asyncio.Event()

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        self.handed_over.put_nowait(list(records))
        return self._delivered()

    async def _delivered(self) -> list[Refusal]:
        await self.gate.wait()
        return []

    async def purge(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def next(self) -> list[JsonObject]:
        async with asyncio.timeout(PATIENCE_S):
            while not (records := await self.handed_over.get()):
                pass
        return [orjson.loads(record.value) for record in records]


class Engine:
    def __init__(self, folder: Path) -> None:
        (folder / "rules.yaml").write_text(RULES)
        plan = compile_rules(folder, {}).plan
        assert plan is not None
        self.clock = ManualClock()
        self.store = MemoryStateStore(self.clock)
        self.egress = GatedEgress()
        self.dead_letters = RecordingDeadLetters()
        self.processor: Processor = build_processor(
            plan,
            store=self.store,
            egress=self.egress,
            dead_letters=self.dead_letters,
            clock=self.clock,
            options=Options(ack_received=True),
            topic="out",
        )
        self.running = asyncio.create_task(self.processor.run())

    def note(self, identity: str, **members: object) -> JsonObject:
        return {"kind": "note", "id": identity, "user": "u", "at": self.clock.now_ms(), **members}

    async def send(self, *items: bytes | JsonObject) -> list[Outcome | None]:
        """The outcomes that the sender is told, once it is."""
        told = asyncio.Event()
        submission = Submission(items, input_name="test", received_ms=0, size_bytes=0, done=lambda _: told.set())
        assert self.processor.offer(submission)
        async with asyncio.timeout(PATIENCE_S):
            await told.wait()
        return submission.outcomes

    async def lose_lease(self) -> None:
        """Let more time pass than an owner may be silent, and have the next one in office."""
        retired = self.processor.stages.counters.owners_retired
        self.clock.advance(20_000)
        await until(lambda: self.processor.stages.counters.owners_retired > retired)

    async def drained(self) -> None:
        self.processor.drain()
        async with asyncio.timeout(PATIENCE_S):
            while not self.running.done():
                await asyncio.sleep(0)
                if self.processor.stages.intake.returned.resting:
                    self.clock.advance(1_000)
        self.running.result()

    @property
    def ended(self) -> dict[str, int]:
        ledger = self.processor.stages.answers.ledger
        assert ledger.balance() == self.processor.in_flight()
        return {status: number for status, number in ledger.ended.items() if number}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path)
    yield engine
    engine.running.cancel()
    with suppress(asyncio.CancelledError):
        await engine.running


async def test_the_sender_is_answered_before_its_events_are_out_and_they_are_in_flight_until_then(engine: Engine) -> None:
    outcomes = await engine.send(engine.note("a"), {"kind": "nope"}, engine.note("b", agent="robot"), engine.note("a"))

    assert [outcome and outcome.status for outcome in outcomes] == ["accepted", "rejected", "accepted", "accepted"]
    assert (engine.ended, engine.processor.in_flight()) == ({"rejected": 1}, 3)
    engine.egress.gate.set()
    await engine.drained()
    assert engine.ended == {"accepted": 1, "duplicate": 1, "blocked": 1, "rejected": 1}


async def test_what_its_owner_may_have_published_goes_out_again_as_it_came_in_with_the_mark_of_it(engine: Engine) -> None:
    for item in (engine.note("object"), orjson.dumps(engine.note("bytes"))):
        await engine.send(item)
        (first,) = await engine.egress.next()
        await engine.lose_lease()
        (second,) = await engine.egress.next()

        assert second["processing"] == {**dict_of(first["processing"]), "takeover": True}
        assert {**second, "processing": 0} == {**first, "processing": 0}
    engine.egress.gate.set()
    await engine.drained()
    assert engine.ended == {"accepted": 2}


def dict_of(value: object) -> JsonObject:
    assert isinstance(value, dict)
    return value


async def test_what_another_worker_holds_is_tried_again_until_that_is_known(engine: Engine) -> None:
    engine.egress.gate.set()
    await engine.store.open("other", 5_000)
    await engine.store.claim("other", 1, ["note:a"], [7], [3_600_000])

    outcomes = await engine.send(engine.note("a"))

    assert [outcome and outcome.status for outcome in outcomes] == ["accepted"]
    await until(lambda: engine.processor.stages.intake.returned.resting)
    assert (engine.ended, engine.processor.in_flight()) == ({}, 1)
    engine.clock.advance(6_000)
    assert [record["id"] for record in await engine.egress.next()] == ["a"]
    await engine.drained()
    assert engine.ended == {"accepted": 1}


async def test_what_has_not_ended_when_the_engine_is_stopped_is_kept_as_it_came(engine: Engine) -> None:
    sent = [engine.note("a", n=1), engine.note("a", n=2), engine.note("b")]
    await engine.send(*[orjson.loads(orjson.dumps(event)) for event in sent])
    await engine.egress.next()
    engine.running.cancel()
    with suppress(asyncio.CancelledError):
        await engine.running

    assert await engine.processor.bury_the_rest() == 3

    letters = {letter.raw: (letter.id, letter.code, letter.stage) for letter in engine.dead_letters.letters}
    assert letters == {orjson.dumps(event): (event["id"], "shutdown", "shutdown") for event in sent}
    assert (engine.ended, engine.processor.in_flight()) == ({"rejected": 3}, 0)


async def test_what_is_kept_of_a_short_event_until_it_is_out_is_short(engine: Engine) -> None:
    notes = [engine.note(str(number)) for number in range(500)]
    tracemalloc.start()
    try:
        await engine.send(*notes)
        await engine.egress.next()
        size_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert engine.processor.in_flight() == 500
    assert size_bytes / 500 < 4_096
