"""The world of one rule test: the engine with its store, egress, sources and clock in memory.

In: events, time and faults. Out: what became of each event, records, and the committed windows. Rule of the file: the processor is the one
that serves; it is only watched. Time moves when this world moves it, so nothing sleeps and every run is the same.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, NamedTuple, Self

import orjson

from engine.app import Limits, build_generation, build_processor
from engine.enrichment.given import GivenContexts
from engine.enrichment.pool import SourcePool
from engine.event import RETRY, Event, FilterCounts, JsonObject, Outcome, Record, Submission
from engine.pipeline.aggregate import WindowValues, read_values
from engine.pipeline.generation import Generation
from engine.pipeline.handover import hand_over
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.processor import Options
from engine.pipeline.stages import Stages
from engine.rules.model import Ruleset, Source
from engine.rules.plan import Plan
from engine.rules.times import MAX_TIME_MS, MIN_TIME_MS, parse_time
from engine.state.reader import read_range
from engine.testing import ManualClock, RecordingDeadLetters
from engine.trials.faults import TrialEgress, TrialStore
from engine.trials.quiet_loop import QuietLoop

TOPIC: Final = "events.enriched"
"""The main topic of a test."""

_LEASE: Final = LeaseTimes(lease_ms=100 * 365 * 86_400_000)
"""Long enough for any jump of the clock: in a test no other worker waits for the end of a lease."""
_JUMP_STEPS: Final = 40
"""How finely a long stretch of time is cut: everybody who waits for time wakes at most so often in it."""
_PATIENCE_MS: Final = 3_600_000
_NO_ROOM: Final = Outcome(RETRY, "inbox_full", "the engine takes nothing now")


class CannotGoOn(Exception):
    """A test cannot be run to its end; the text says why."""


@dataclass(eq=False)
class Sent:
    """One event that was sent, and what became of it.

    `event` is None where nothing could be decoded. `before` is the event as the filters first saw it, and None where it never came to
    them; then `matched` is empty. `ruleset` judged it.
    """

    submission: Submission
    ruleset: Ruleset
    event: Event | None = None
    before: JsonObject | None = None
    matched: tuple[str, ...] = ()
    records: list[Record] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None while it has not."""
        return self.submission.outcomes[0]


class EmittedWindow(NamedTuple):
    """A closed window as it was published, and which revision of it that was."""

    window: WindowValues
    revision: int


Witness = Callable[[Ruleset, JsonObject, int], None]
"""Told of each event, with its time, as the filters first see it."""


class World:
    """A running engine, from `async with` to its end. Runs on a `QuietLoop` alone."""

    def __init__(
        self, plan: Plan, given: Mapping[str, JsonObject | None], now_ms: int | None, witness: Witness | None = None
    ) -> None:
        self.clock = ManualClock() if now_ms is None else ManualClock(now_ms)
        self.store = TrialStore(self.clock)
        self.egress = TrialEgress()
        self.sent: dict[int, Sent] = {}
        self._witness = witness
        self._given = dict(given)
        self._faults: dict[str, str | None] = {}
        self._sources: list[GivenContexts] = []
        self._records_seen = 0
        self._pool = SourcePool(self.clock, self._source)
        self._processor = build_processor(
            plan,
            store=self.store,
            egress=self.egress,
            dead_letters=RecordingDeadLetters(),
            clock=self.clock,
            options=Options(lease=_LEASE),
            topic=TOPIC,
            pool=self._pool,
        )
        self._stages.intake.generation = self._watched(self._stages.intake.generation)
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._running = asyncio.ensure_future(self._processor.run())
        await self._quiet()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    @property
    def ruleset(self) -> Ruleset:
        """The rules in service."""
        return self._stages.intake.generation.plan.ruleset

    async def send(self, content: JsonObject) -> Sent:
        """Send one event, and let everybody do what can be done at this time."""
        item = orjson.dumps(content)
        submission = Submission(
            [item], input_name="test", received_ms=self.clock.now_ms(), size_bytes=len(item), done=lambda _: None
        )
        sent = self.sent[id(submission)] = Sent(submission, self.ruleset)
        if not self._processor.offer(submission):
            submission.settle(0, _NO_ROOM)
        await self._quiet()
        return sent

    async def advance(self, duration_ms: int) -> None:
        """Let time pass; whoever sleeps wakes on the way."""
        end_ms = self.clock.monotonic_ms() + duration_ms
        while (left_ms := end_ms - self.clock.monotonic_ms()) > 0:
            due_ms = self.clock.next_due_ms()
            stride_ms = max(left_ms if due_ms is None else due_ms, duration_ms // _JUMP_STEPS, 1)
            self.clock.advance(min(stride_ms, left_ms))
            await self._quiet()

    async def settle(self, sent: Sequence[Sent]) -> None:
        """Let time pass until these events have ended. Raises CannotGoOn where they do not."""
        await self._until(lambda: all(one.outcome is not None for one in sent), "an event")
        for record in self.egress.records[self._records_seen :]:
            if record.event is not None:
                self.sent[id(record.event.submission)].records.append(record)
        self._records_seen = len(self.egress.records)

    async def fail_store(self, *, down: bool) -> None:
        """Take the store away, or give it back, and let time pass until the engine knows and has caught up."""
        self.store.down = down
        health, deferred = self._stages.health, self._stages.deferred
        await self._until(lambda: health.down is down and (down or not len(deferred)), "the store's fault")

    def fail_source(self, name: str | None, fault: str | JsonObject | None) -> None:
        """From here on a source, or all of them, has a fault, `up` for none, or finds another context."""
        for source in [name] if name is not None else list(self.ruleset.enrichment.sources):
            if isinstance(fault, str):
                self._faults[source] = None if fault == "up" else fault
            else:
                self._given[source] = fault
        for made in self._sources:
            self._set(made)

    def reload(self, plan: Plan) -> None:
        """Put another plan into service as a reload does; what is on its way keeps to the one it came under."""
        stages = self._stages
        number = stages.intake.generation.number + 1
        hand_over(stages, self._watched(build_generation(plan, number, self.clock, stages.counters, Limits(), self._pool)))

    async def windows(self, aggregation: str, key: str) -> list[WindowValues]:
        """The committed windows of a key, by start."""
        plan = self._stages.intake.generation.plan.aggregations[aggregation]
        picture = await read_range(self.store, plan.state_id, key, MIN_TIME_MS, MAX_TIME_MS)
        return read_values(plan, picture.partials, picture.committed)

    def emitted(self, aggregation: str, key: str) -> list[EmittedWindow]:
        """The last revision of each window of a key that was published, by start."""
        records = (orjson.loads(record.value) for record in self.egress.records if record.event is None)
        last = {told["id"]: told for told in records if told["aggregator"] == aggregation and told["key"] == key}
        windows = [
            EmittedWindow(
                WindowValues(parse_time(told["start"]) or 0, parse_time(told["end"]) or 0, told["values"]), told["revision"]
            )
            for told in last.values()
        ]
        return sorted(windows, key=lambda one: one.window.start_ms)

    def _watched(self, generation: Generation) -> Generation:
        """The generation, watched: what is decoded, and what filters see and do."""
        plan, decode = generation.plan, generation.decode

        def decode_and_note(submission: Submission) -> list[Event]:
            events = decode(submission)
            for event in events:
                self.sent[id(submission)].event = event
            return events

        def filter_and_note(events: Sequence[Event], counts: FilterCounts) -> None:
            for event in events:
                before, matched = dict(event.data), list(counts.matched)
                plan.filter((event,), counts)
                sent = self.sent[id(event.submission)]
                sent.before, sent.ruleset = before, plan.ruleset
                sent.matched = tuple(
                    rule.id for rule, old, new in zip(plan.ruleset.filters, matched, counts.matched, strict=True) if new > old
                )
                if self._witness is not None:
                    self._witness(plan.ruleset, before, event.time_ms)

        return replace(generation, plan=replace(plan, filter=filter_and_note), decode=decode_and_note)

    def _source(self, source: Source) -> GivenContexts:
        made = GivenContexts(source, None)
        self._sources.append(made)
        self._set(made)
        return made

    def _set(self, made: GivenContexts) -> None:
        made.value, made.fault = self._given.get(made.name), self._faults.get(made.name)

    @property
    def _stages(self) -> Stages:
        return self._processor.stages

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        give_up_ms = self.clock.monotonic_ms() + _PATIENCE_MS
        while not holds():
            due_ms = self.clock.next_due_ms()
            if due_ms is None or self.clock.monotonic_ms() > give_up_ms:
                raise CannotGoOn(f"{what} did not come to an end within an hour of the test's clock")
            self.clock.advance(max(due_ms, 0))
            await self._quiet()

    async def _quiet(self) -> None:
        """Return when everybody waits for time or for an event. Raises what the engine died of."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, QuietLoop):
            raise TypeError(f"a world runs on a QuietLoop, not on a {type(loop).__name__}")
        await loop.quiet()
        if self._running is not None and self._running.done():
            self._running.result()
