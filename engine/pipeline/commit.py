"""The one commit point: batches are committed in order, in groups, and their events are answered.

In: batches of which every event is published or seen free. Out: aggregates and deduplication show them together, by
one write. Rule of the file: a commit once begun is repeated with the same number and the same values until its
outcome is known; until then no other begins.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from engine.metrics import Counters
from engine.pipeline.aggregate import Aggregator
from engine.pipeline.answers import Answers
from engine.pipeline.batch import Batch
from engine.pipeline.owner import Owner
from engine.pipeline.recent import RecentKeys
from engine.pipeline.window_batch import WindowBatch
from engine.ports import Clock, CommittedClaim, Group, Partial


class Committer:
    """Commits one owner's batches. Its accumulators start empty, as the owner does.

    A commit takes what is ready: at once where `busy()` says that nothing more is coming, else when `gather_events`
    have been published since the last one.
    """

    def __init__(
        self,
        owner: Owner,
        aggregator: Aggregator,
        answers: Answers,
        recent: RecentKeys,
        counters: Counters,
        clock: Clock,
        *,
        claims_last_ms: Callable[[], int],
        gather_events: int,
        busy: Callable[[], bool],
        on_commit: Callable[[Sequence[Batch]], None],
        on_progress: Callable[[], None],
        on_announced: Callable[[Sequence[Group]], None] = lambda _: None,
    ) -> None:
        self._owner = owner
        self._aggregator = aggregator
        self._answers = answers
        self._recent = recent
        self._counters = counters
        self._clock = clock
        self._claims_last_ms = claims_last_ms
        self._gather_events = gather_events
        self._busy = busy
        self._on_commit = on_commit
        self._on_progress = on_progress
        self._on_announced = on_announced
        self._ready: dict[int, Batch] = {}
        self._added: list[Batch] = []
        self._added_events = 0
        self._committing: list[Batch] = []
        self.changed = asyncio.Event()

    def ready(self, batch: Batch) -> None:
        """Take a batch of which every event is published or seen free."""
        self._ready[batch.seq] = batch
        self.changed.set()

    def uncommitted(self) -> list[Batch]:
        """The batches added to the accumulators whose commit is not known."""
        return self._committing + self._added

    def committing(self) -> Sequence[Batch]:
        """Those of them whose commit has begun: it waits for nothing but the store."""
        return self._committing

    async def run(self) -> None:
        """Commit for ever. Raises OwnerGone where the store refuses; then nothing of the commit counts."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            await self._aggregate_in_order()
            self._on_progress()
            if self._added and not (self._waits_for_more() and self._busy()):
                self._committing, self._added, self._added_events = self._added, [], 0
                committed = await self._commit(self._committing)
                self._committing = []
                self._on_progress()
                self.changed.set()
                if committed:
                    await self._owner.insist(partial(self._owner.store.compact, committed))

    async def _aggregate_in_order(self) -> None:
        """Add the longest run of ready batches to the accumulators, and let go of their contents."""
        while (batch := self._ready.pop(self._owner.first_seq, None)) is not None:
            events = [event for event, _ in batch.counted]
            if batch.plan is not None:
                self._aggregator.follow(batch.plan.aggregation_code)
            missing = self._aggregator.missing(events)
            if missing:
                stored = await self._owner.insist(partial(self._owner.store.own_partials, self._owner.id, missing))
                self._aggregator.restore(stored, self._owner.committed)
            self._aggregator.add(events, batch.watermark_ms)
            self._owner.settled(batch)
            self._added.append(batch)
            self._added_events += len(events)
            if not batch.deferred:
                for event in events:
                    event.let_go()

    def _waits_for_more(self) -> bool:
        return self._added_events < self._gather_events

    async def _commit(self, batches: Sequence[Batch]) -> list[CommittedClaim]:
        """Commit, and answer; returns the claims that the store may now keep in its shorter form."""
        owner, seq = self._owner, batches[-1].seq
        partials = self._aggregator.capture(seq)
        if partials:
            await owner.insist(lambda: owner.store.write_partials(owner.id, partials))
            await self._announce(partials)
        claims_end_ms = self._clock.now_ms() + self._claims_last_ms()
        windows = [batch for batch in batches if isinstance(batch, WindowBatch)]
        ends_ms = [claims_end_ms, *(partial.expires_ms for partial in partials), *(batch.claims_end_ms for batch in windows)]
        await owner.commit(seq, max(ends_ms))
        self._aggregator.committed(seq)
        self._counters.commits += 1
        self._counters.batches += len(batches)
        self._on_commit(batches)
        committed = [claim for batch in batches for claim in owner.claims_of(batch)] if owner.store.compacts else []
        for batch in batches:
            self._recent.add([event for event, outcome in batch.counted if outcome.status == "accepted"])
            self._answers.end_all(batch.counted)
            batch.counted.clear()
        for batch in windows:
            batch.committed.set()
        return committed

    async def _announce(self, partials: Sequence[Partial]) -> None:
        """Note the windows that are to be published; after their partials are written, and before these are committed."""
        owner, windows = self._owner, self._aggregator.to_announce(partials)
        if windows:
            expires_ms = max(partial.expires_ms for partial in partials)
            await owner.insist(lambda: owner.store.announce(windows, expires_ms))
            self._on_announced(windows)
