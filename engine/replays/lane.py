"""One ruleset at work on a recording: the processor that serves, with a store and an egress that end with the replay.

In: items at one time. Out: what became of each. Rule of the file: the engine is only watched; a step is through before the next begins, so that
two rulesets see every event at the same time and in the same state of affairs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from engine.app import Limits, build_processor
from engine.egress.nowhere import Nowhere
from engine.enrichment.given import GivenContexts
from engine.enrichment.pool import SourcePool
from engine.errors import StoreUnavailable
from engine.event import REJECTED, Event, FilterCounts, JsonObject, Submission
from engine.operations.lines import LINES
from engine.pipeline.enrich import Enricher
from engine.pipeline.generation import Generation
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.processor import Options, Processor
from engine.ports import StateStore
from engine.replays.clock import ReplayClock
from engine.replays.items import Item
from engine.replays.recorded import RecordedEnricher
from engine.replays.sent import Sent, Witness
from engine.rules.plan import Plan

ID: Final = "replay"
"""The ruleset's id in records, the same for all: so two records are equal where everything else is."""

_LEASE: Final = LeaseTimes(lease_ms=10_000 * 365 * 86_400_000)
"""Longer than any recording: there is no other worker."""


class StoreMaker(Protocol):
    """Makes the state of one ruleset."""

    def __call__(self, clock: ReplayClock) -> StateStore:
        """A store of its own, empty, by this clock."""


@dataclass(frozen=True, slots=True)
class Enrichment:
    """Where contexts come from: `given` by source before all, `recorded` where records have them, else from the `pool`'s sources."""

    pool: SourcePool
    given: Mapping[str, JsonObject | None]
    recorded: bool


class Lane:
    """A processor for one plan, which runs. `lines` counts what it was sent, `dead_letters` what of that was rejected."""

    def __init__(self, plan: Plan, store: StateStore, clock: ReplayClock, enrichment: Enrichment, *, watched: bool) -> None:
        self.plan = plan
        self.store = store
        self.lines = 0
        self._clock = clock
        self._changed = asyncio.Event()
        self._enrichment = enrichment
        self.processor: Processor = build_processor(
            replace(plan, id=ID, events=replace(plan.events, max_future_ms=None, max_past_ms=None)),
            store=store,
            egress=Witness() if watched else Nowhere(),
            dead_letters=Nowhere(),
            clock=clock,
            options=Options(max_batches=1, lease=_LEASE),
            topic="",
            limits=Limits.of_feed(LINES),
            pool=enrichment.pool,
        )
        intake = self.processor.stages.intake
        intake.generation = self._arranged(intake.generation, watched=watched)
        self._running = asyncio.create_task(self.processor.run())
        self._running.add_done_callback(lambda _: self._changed.set())
        self._hear()

    @property
    def dead_letters(self) -> int:
        """Items that were rejected; records that the engine itself could not make are counted by it."""
        return self.processor.stages.answers.ledger.ended[REJECTED]

    async def send(self, items: Sequence[Item]) -> Sent:
        """Send items, and return when all have ended but those that are held for their order."""
        sent = Sent(items, self._clock.now_ms(), self._changed.set)
        self.lines += len(items)
        if not self.processor.offer(sent):
            raise RuntimeError("a processor that has nothing to do took nothing")
        while self.processor.stages.answers.ledger.balance() > self._held():
            await self._something()
        return sent

    async def finish(self) -> None:
        """Return when everything has ended; what was held for its order goes on."""
        self.processor.drain()
        while not self._running.done():
            await self._something()
        self._running.result()

    async def close(self) -> None:
        """End it, wherever it is."""
        self._running.cancel()
        await asyncio.wait([self._running])
        await self.processor.stages.intake.generation.close()
        await self.store.close()

    async def _something(self) -> None:
        """Wait until something has happened. Raises StoreUnavailable, and what the engine died of."""
        await self._changed.wait()
        self._changed.clear()
        health = self.processor.stages.health
        if health.down:
            raise StoreUnavailable(f"the replay's own state: {health.reason}")
        if self._running.done() and not self.processor.stages.intake.draining:
            self._running.result()

    def _held(self) -> int:
        held = self.processor.stages.intake.orderer.held
        return sum(1 + len(event.joined or ()) for event in held)

    def _hear(self) -> None:
        """Be told when the intake has nothing to do, and when the store fails."""
        stages = self.processor.stages
        idle, store_changed = stages.intake.on_idle, stages.health.on_change

        def on_idle() -> None:
            idle()
            self._changed.set()

        def on_change() -> None:
            store_changed()
            self._changed.set()

        stages.intake.on_idle, stages.health.on_change = on_idle, on_change

    def _arranged(self, generation: Generation, *, watched: bool) -> Generation:
        """The generation with the contexts that the replay has for it, and watched where its decisions are compared."""
        enrichment, stages, plan = self._enrichment, self.processor.stages, generation.plan
        known = plan.ruleset.enrichment.sources
        given = {name: GivenContexts(known[name], value) for name, value in enrichment.given.items() if name in known}
        sources = {**generation.enricher.sources, **given}
        enricher = (RecordedEnricher if enrichment.recorded else Enricher)(sources, stages.counters)
        arranged = replace(generation, enricher=enricher)
        if watched:
            arranged = replace(arranged, plan=replace(plan, filter=_watched_filter(plan)), decode=_watched_decode(generation))
        return arranged


def _watched_decode(generation: Generation) -> Callable[[Submission], list[Event]]:
    decode = generation.decode

    def decode_and_note(submission: Submission) -> list[Event]:
        events = decode(submission)
        noted = submission.events  # type: ignore[attr-defined]  # in a replay it is a `Sent`
        for event in events:
            noted[event.index] = event
        return events

    return decode_and_note


def _watched_filter(plan: Plan) -> Callable[[Sequence[Event], FilterCounts], None]:
    judge = plan.filter

    def note_and_judge(events: Sequence[Event], counts: FilterCounts) -> None:
        for event in events:
            event.submission.contexts[event.index] = event.data["enrichment"]  # type: ignore[attr-defined]  # as above
        judge(events, counts)

    return note_and_judge


@asynccontextmanager
async def open_lane(
    plan: Plan, make_store: StoreMaker, clock: ReplayClock, enrichment: Enrichment, *, watched: bool
) -> AsyncIterator[Lane]:
    """A lane from its first event to its end. Raises SettingsInvalid or LookupFailed where a source cannot be built."""
    store = make_store(clock)
    try:
        lane = Lane(plan, store, clock, enrichment, watched=watched)
    except BaseException:
        await store.close()
        raise
    try:
        yield lane
    finally:
        await lane.close()
