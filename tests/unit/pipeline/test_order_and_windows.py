"""Events that are held for their order, and the windows they belong to: what came in time is counted, however long it was held."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path

import pytest

from engine.app import Limits, build_generation, build_processor
from engine.enrichment.pool import SourcePool
from engine.event import Record, Refusal, Submission
from engine.pipeline.handover import hand_over
from engine.pipeline.processor import Options, Processor
from engine.rules.compiler import compile_rules
from engine.rules.plan import Plan
from engine.state.memory import MemoryStateStore
from engine.testing import ManualClock, RecordingDeadLetters, RecordingEgress

HOUR_MS = 3_600_000
BEGIN_MS = 1_772_442_000_000 - 1_772_442_000_000 % HOUR_MS
RULES = """
version: 1
events: {type: kind, time: at, key: user, ordering: {wait: 10s}, max_skew: {future: none, past: none}, types: {note: {}}}
deduplication: {note: {key: id, ttl: 1h}}
routes: {windows: {topic: windows}}
aggregations:
  hourly: {key: {}, window: {tumbling: 1h}, max_keys: 10, measures: {n: count}, emit: {to: windows}}
"""


def plan_of(directory: Path, text: str) -> Plan:
    directory.mkdir()
    (directory / "rules.yaml").write_text(text, encoding="utf-8")
    plan = compile_rules(directory, {}).plan
    assert plan is not None
    return plan


class StuckEgress(RecordingEgress):
    """Keeps every record, and while it is stuck does not say so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stuck = False
        self._unsaid: list[asyncio.Future[list[Refusal]]] = []

    def send(self, records: Sequence[Record]) -> Awaitable[list[Refusal]]:
        said = super().send(records)
        if not self.is_stuck:
            return said
        self._unsaid.append(asyncio.get_running_loop().create_future())
        return self._unsaid[-1]

    def go_on(self) -> None:
        self.is_stuck = False
        for future in self._unsaid:
            future.set_result([])


class Engine:
    """A processor with an hourly aggregation, whose events wait ten seconds for earlier ones."""

    def __init__(self, plan: Plan, egress: RecordingEgress | None = None) -> None:
        self.clock = ManualClock(BEGIN_MS)
        self.egress = egress or RecordingEgress()
        self.processor: Processor = build_processor(
            plan,
            store=MemoryStateStore(self.clock),
            egress=self.egress,
            dead_letters=RecordingDeadLetters(),
            clock=self.clock,
            options=Options(),
            topic="events",
        )

    async def send(self, *seconds: float, input_name: str = "test") -> None:
        """One event after the other, so many seconds after the hour, each in a batch of its own."""
        for number, second in enumerate(seconds):
            note = {"kind": "note", "id": f"{input_name}{second}.{number}", "user": "u", "at": BEGIN_MS + int(second * 1_000)}
            item = json.dumps(note).encode()
            assert self.processor.offer(
                Submission([item], input_name=input_name, received_ms=0, size_bytes=1, done=lambda _: None)
            )
            while self.processor.stages.intake.inbox.events:  # noqa: ASYNC110 - the engine sets no event for it
                await asyncio.sleep(0)
            for _ in range(100):
                await asyncio.sleep(0)

    def change(self, plan: Plan) -> None:
        stages = self.processor.stages
        hand_over(stages, build_generation(plan, 2, self.clock, stages.counters, Limits(), SourcePool(self.clock)))

    def windows(self) -> dict[int, list[int]]:
        """By the hour, what each revision of its window said."""
        found: dict[int, list[int]] = {}
        for record in [json.loads(record.value) for record in self.egress.records if record.topic == "windows"]:
            hour = int(record["start"][11:13]) - int(BEGIN_MS // HOUR_MS % 24)
            found.setdefault(hour, []).append(record["values"]["n"])
        return found

    async def go_on(self, seconds: int) -> None:
        """So many seconds pass."""
        for _ in range(seconds):
            self.clock.advance(1_000)
            for _ in range(100):
                await asyncio.sleep(0)

    async def end(self) -> tuple[int, int]:
        """Drain; returns how many events were counted, and how many had come too late for their window."""
        self.processor.drain()
        async with asyncio.timeout(5):
            while not self.task.done():
                self.clock.advance(1_000)
                await asyncio.sleep(0)
        counts = self.processor.aggregation_counts()["hourly"]
        return counts.events, counts.late

    def start(self) -> None:
        self.task = asyncio.ensure_future(self.processor.run())


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    engine = Engine(plan_of(tmp_path / "rules", RULES))
    engine.start()
    yield engine
    engine.task.cancel()
    await asyncio.gather(engine.task, return_exceptions=True)


async def test_an_event_that_came_before_its_window_closed_is_counted_however_far_time_moves_while_it_is_held(
    engine: Engine,
) -> None:
    await engine.send(3_599, 3_608, 3_620, 3_640)

    assert await engine.end() == (4, 0)


async def test_an_earlier_event_of_the_same_hour_that_comes_within_the_wait_is_counted(engine: Engine) -> None:
    await engine.send(3_605, 3_599, 3_620, 3_640)

    assert await engine.end() == (4, 0)


async def test_an_event_that_comes_when_its_window_has_closed_is_late_for_it(engine: Engine) -> None:
    await engine.send(3_599, 3_620, 3_640, 3_598, 3_660)

    assert await engine.end() == (5, 1)


async def test_events_that_were_held_under_a_longer_wait_are_counted_when_the_rules_shorten_it(
    engine: Engine, tmp_path: Path
) -> None:
    await engine.send(3_599, 3_608)
    engine.change(plan_of(tmp_path / "shorter", RULES.replace("10s", "1s")))
    await engine.send(3_620, 3_640)

    assert await engine.end() == (4, 0)


async def test_a_replay_is_judged_by_its_own_time_beside_a_live_input_that_is_years_ahead(engine: Engine) -> None:
    await engine.send(1e9, 1e9 + 1, 1e9 + 60, input_name="live")
    await engine.send(3_599, 3_608, input_name="old")
    await engine.send(1e9 + 90, input_name="live")
    await engine.send(3_620, 3_640, 3_598, input_name="old")

    assert await engine.end() == (9, 1)


async def test_a_window_is_told_when_nothing_of_it_can_be_held_any_more_and_says_everything_at_once(engine: Engine) -> None:
    await engine.send(3_590, 3_599, 3_608)
    assert engine.windows() == {}

    await engine.send(3_609, 3_625, 3_640)
    await engine.end()

    assert engine.windows() == {0: [2]}


async def test_an_input_that_stands_still_does_not_keep_the_windows_of_another_open(engine: Engine) -> None:
    await engine.send(3_000, input_name="still")
    for minute in range(12):
        await engine.send(3_500 + 60 * minute, input_name="going")
        await engine.go_on(60)

    assert engine.windows() == {0: [3]}


async def test_while_an_event_is_on_its_way_the_clock_closes_nothing(tmp_path: Path) -> None:
    egress = StuckEgress()
    engine = Engine(plan_of(tmp_path / "rules", RULES.replace("10s", "0s")), egress)
    engine.start()
    await engine.send(3_590)
    egress.is_stuck = True
    await engine.send(3_595)

    await engine.go_on(200)
    assert engine.windows() == {}

    egress.go_on()
    await engine.go_on(70)
    assert engine.windows() == {0: [2]}
    assert await engine.end() == (2, 0)
