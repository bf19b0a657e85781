"""The coordinator: what happens to an event, from the inbox to its answer.

    inbox -> decode -> hold (ordering) -> claim -> enrich -> filter -> publish -> free -> aggregate, commit -> answer

Batches overlap; they are handed to the egress and committed in their order. Every event ends once, with one outcome.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.event import REJECTED, Event, Outcome, Submission
from engine.metrics import AggregationCounts
from engine.pipeline.batch import Batch
from engine.pipeline.deferred import DeferredQueue
from engine.pipeline.filter import apply_filters
from engine.pipeline.generation import Generation
from engine.pipeline.intake import Arrival
from engine.pipeline.order import apply_late_policy
from engine.pipeline.outage import carry_without_store
from engine.pipeline.owner import LeaseTimes
from engine.pipeline.poison import set_poison_aside
from engine.pipeline.stages import Stages
from engine.pipeline.succession import Succession
from engine.pipeline.tenure import Tenure

_REST_MS = 1_000
_LEFT = Outcome(REJECTED, "shutdown", "the engine was stopped before this event had ended; replay it")


@dataclass(frozen=True, slots=True)
class Options:
    """How much is done at once, and when senders are answered.

    `gather_events`: a commit under load waits for so many events; 0 never waits. `ack_received`: senders are answered when their
    events are known to be events, not when these have ended; what becomes of them is counted all the same. `live`: events happen as they come, so that one that waits
    for earlier ones waits no longer than the rules say, and event time goes on where none come; else the clock has no say, and it waits until its input has come so far.
    """

    max_batches: int = 8
    gather_events: int = 0
    ack_received: bool = False
    live: bool = True
    lease: LeaseTimes = field(default_factory=LeaseTimes)
    owner_name: Callable[[], str] = lambda: secrets.token_urlsafe(12)


class Processor:
    """Takes submissions in, and sees every event of them to its end."""

    def __init__(self, stages: Stages, options: Options) -> None:
        self.stages = stages
        self._changed = asyncio.Event()
        self._succession = Succession(stages, options, on_change=self._wake, on_progress=self._progress)
        self._arriving: list[Event] = []
        self._arriving_under: Generation | None = None
        self._closes_windows = False
        stages.health.on_change = self._wake
        stages.intake.on_idle = self._succession.nothing_more
        stages.intake.on_their_way = self._succession.events_on_their_way

    def offer(self, submission: Submission) -> bool:
        """Take a submission; False where there is no room for it, or the engine is stopping: it was not received."""
        intake = self.stages.intake
        has_room = not self.stages.health.down or (intake.deferred.room and intake.returned.room)
        if intake.draining or not has_room or not intake.inbox.offer(submission):
            return False
        self.stages.answers.ledger.received += len(submission.items)
        self.stages.times.begin(submission)
        return True

    def end_input(self) -> None:
        """Hold nothing any more for earlier events: no new ones come, but some may be sent again."""
        self.stages.intake.input_over = True
        self._wake()

    def close_windows(self) -> None:
        """Have every window closed when what was taken has ended: there is no more of this input anywhere."""
        self._closes_windows = True

    def drain(self) -> None:
        """Take nothing more in; `run` returns when all that was taken has ended."""
        self.stages.intake.draining = True
        self._wake()

    async def run(self) -> None:
        """Serve until drained. Cancelled, it retires its owner: what is in flight is told to try again."""
        async with asyncio.TaskGroup() as tasks, self._succession:
            background = [tasks.create_task(self._succession.reign()), tasks.create_task(self._succession.sweep())]
            while not (self.stages.intake.draining and self.stages.intake.is_empty):
                while (arrival := await self.stages.intake.next()) is not None:
                    self._arriving, self._arriving_under = arrival.events, arrival.generation
                    await self._start(arrival)
                    self._arriving, self._arriving_under = [], None
                await self._until(lambda: not self._succession.unfinished())
            if self._closes_windows:
                self._succession.closing.end()
            await self._succession.windows_through(self._until)
            for task in background:
                task.cancel()

    async def _start(self, arrival: Arrival) -> None:
        """Give the arrival to the owner in office; where the store is away, it goes without."""
        await self._until(lambda: self._succession.has_room or self.stages.health.down)
        tenure = self._succession.tenure
        if tenure is not None and tenure.has_room and not self.stages.health.down:
            batch = self._batch(tenure, arrival)
            work = self._count_later(tenure, batch) if batch.deferred else self._carry(tenure, arrival.generation, batch)
            tenure.start(batch, work)
        elif arrival.deferred:
            self.stages.deferred.put_back(arrival.events, arrival.watermark_ms)
        else:
            await carry_without_store(self.stages, arrival)

    async def _carry(self, tenure: Tenure, generation: Generation, batch: Batch) -> None:
        """One batch through the stages, under its owner's lease."""
        stages, owner, plan = self.stages, tenure.owner, generation.plan
        held_elsewhere = await stages.deduplicator.claim(owner, batch)
        stages.intake.returned.add(held_elsewhere, batch.watermark_ms)
        set_poison_aside(batch)
        apply_late_policy(batch, plan.ruleset.events, plan.ruleset.routes, stages.counters)
        await generation.enricher.enrich(batch.events, plan)
        await batch.turn()
        apply_filters(plan, batch, generation.counts)
        owner.check_lease()
        delivery = stages.publisher.hand_over(batch, plan.id)
        batch.handed_over.set()
        await stages.publisher.delivered(batch, delivery, plan.id)
        await stages.deduplicator.free(owner, batch, mark_blocked=plan.counts_blocked)
        tenure.done(batch)
        if held_elsewhere:
            await self._rest(stages.intake.returned)

    async def _count_later(self, tenure: Tenure, batch: Batch) -> None:
        """A batch that went out while the store was away: claim it now, for the commit's sake."""
        deferred = self.stages.deferred
        held_elsewhere = await self.stages.deduplicator.claim(tenure.owner, batch)
        deferred.add(held_elsewhere, batch.watermark_ms)
        batch.set_blocked_aside()
        batch.count_all()
        await self.stages.deduplicator.free(tenure.owner, batch, mark_blocked=True)
        tenure.done(batch)
        if held_elsewhere:
            await self._rest(deferred)

    async def _rest(self, queue: DeferredQueue) -> None:
        """Leave a queue alone for a while."""
        queue.resting = True
        try:
            await self.stages.clock.sleep(_REST_MS)
        finally:
            queue.resting = False
            self._wake()

    def _batch(self, tenure: Tenure, arrival: Arrival) -> Batch:
        now_ms = self.stages.clock.monotonic_ms()
        return tenure.owner.number(
            lambda seq: Batch(
                seq, arrival.events, arrival.watermark_ms, now_ms, deferred=arrival.deferred, plan=arrival.generation.plan
            )
        )

    async def bury_the_rest(self) -> int:
        """Keep as dead letters what was answered as received and has not ended; returns how many events that are.

        For when `run` was cancelled. Raises EgressUnavailable where they cannot be kept.
        """
        unfinished = [event for event in self._unfinished() if event.submission.taken]
        await self.stages.publisher.bury(unfinished, _LEFT, "shutdown", self.stages.intake.generation.plan.id)
        for event in unfinished:
            self.stages.answers.end(event, _LEFT)
        return len(unfinished)

    async def through_with(self, generation: Generation) -> None:
        """Return when no event goes through the stages under this generation any more; one in service never is through."""
        await self._until(lambda: not self._in_use(generation))

    def _in_use(self, generation: Generation) -> bool:
        if generation in (self.stages.intake.generation, self._arriving_under):
            return True
        return any(batch.plan is generation.plan for batch in self._succession.unfinished())

    def in_flight(self) -> int:
        """Events received that have not ended, counted where they are: the other side of the ledger."""
        return self.stages.intake.inbox.events + len(self._unfinished())

    def _unfinished(self) -> list[Event]:
        """Every event here that has not ended, copies that joined another included."""
        intake = self.stages.intake
        held = [*self._arriving, *intake.orderer.held, *intake.returned.waiting(), *self._succession.held()]
        waiting = {id(event): event for event in (*held, *self.stages.answers.in_flight.values())}
        firsts = [event for event in waiting.values() if event.outcome is None]
        return firsts + [copy for event in waiting.values() for copy in event.joined or ()]

    def aggregation_counts(self) -> dict[str, AggregationCounts]:
        """What each aggregation has counted in this process."""
        return self._succession.aggregation_counts()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    def _progress(self) -> None:
        """Batches have ended. An intake with nothing to gather for sleeps on: it would ask for the next commit, and so on for ever."""
        self._changed.set()
        if self.stages.intake.inbox.events:
            self.stages.intake.inbox.changed.set()

    def _wake(self) -> None:
        self._changed.set()
        self.stages.intake.inbox.changed.set()
