"""One owner after another, for as long as the process serves."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from engine.errors import StoreUnavailable
from engine.event import Event
from engine.metrics import AggregationCounts
from engine.pipeline.aggregate import Aggregator
from engine.pipeline.batch import Batch
from engine.pipeline.closing import Closing
from engine.pipeline.commit import Committer
from engine.pipeline.emission import Emission, Outlet
from engine.pipeline.owner import LeaseTimes, Owner
from engine.pipeline.stages import Stages
from engine.pipeline.tenure import Tenure

_SWEEP_EVERY_MS = 10_000
_SWEEP_ROWS = 2_000
# Between the bites of a round the store is the events'. It pays to hurry where much of what there is has expired.
_SWEEP_PAUSE_MS = 500
_SWEEP_HURRY_MS = 50
_SWEEP_MUCH = _SWEEP_ROWS // 8
_REOPEN_MS = 200


class TenureOptions(Protocol):
    """What an owner has to know of how much is done at once."""

    @property
    def max_batches(self) -> int:
        """Batches on their way at once."""

    @property
    def gather_events(self) -> int:
        """Events that a commit under load waits for."""

    @property
    def live(self) -> bool:
        """Whether events happen as they come, so that the clock has a say."""

    @property
    def lease(self) -> LeaseTimes:
        """The lease's times."""

    @property
    def owner_name(self) -> Callable[[], str]:
        """Makes a name that was never used."""


class Succession:
    """Opens owners and puts them to work.

    `on_change` is called when a batch may start that could not before, `on_progress` when batches were committed.
    """

    def __init__(
        self, stages: Stages, options: TenureOptions, *, on_change: Callable[[], None], on_progress: Callable[[], None]
    ) -> None:
        self.tenure: Tenure | None = None
        self._stages = stages
        self._options = options
        self._on_change = on_change
        self._on_progress = on_progress
        self._aggregator: Aggregator | None = None
        self._over = False
        self._aggregated: dict[str, AggregationCounts] = {}
        self.closing = Closing(
            lambda: stages.intake.generation.plan,
            stages.clock,
            lambda: bool(self.unfinished()) or not stages.intake.is_empty,
            live=options.live,
        )

    async def __aenter__(self) -> None:
        """Put owners in office from now on."""

    async def __aexit__(self, *_: object) -> None:
        """No owner follows the one in office: a task group that is ending already does not pass on that it was cancelled."""
        self._over = True

    @property
    def has_room(self) -> bool:
        """Whether a batch may start now."""
        return self.tenure is not None and self.tenure.has_room

    def unfinished(self) -> list[Batch]:
        """The batches of the owner in office that hold events not yet ended."""
        return [] if self.tenure is None else self.tenure.unfinished()

    def events_on_their_way(self) -> int:
        """How many events are in batches of the owner in office that will end without more to come."""
        return 0 if self.tenure is None else self.tenure.events_on_their_way()

    def held(self) -> list[Event]:
        """The events of those batches."""
        return [event for batch in self.unfinished() for event in batch.held()]

    def aggregation_counts(self) -> dict[str, AggregationCounts]:
        """What each aggregation has counted, over all owners of this process; groups are those of the owner in office."""
        totals = {name: counts._replace(groups=0, keys=0) for name, counts in self._aggregated.items()}
        if self._aggregator is not None:
            for live in self._aggregator.live:
                counts = AggregationCounts(*(getattr(live, name) for name in AggregationCounts._fields))
                totals[live.plan.rule.id] = totals.get(live.plan.rule.id, AggregationCounts()).plus(counts)
        return totals

    async def windows_through(self, until: Callable[[Callable[[], bool]], Awaitable[None]]) -> None:
        """Return when every window that is closed by what is committed was looked at; `until` waits for what it is given."""
        if self.closing.pending:
            self.closing.changed.set()
        await until(lambda: self.closing.through)

    def nothing_more(self) -> None:
        """The inbox is empty: a commit need not wait for more."""
        if self.tenure is not None:
            self.tenure.committer.changed.set()

    async def reign(self) -> None:
        """Have one owner in office at a time, until this is left."""
        while not self._over:
            owner = await self._open()
            self._aggregated = self.aggregation_counts()
            self._aggregator = self._stages.aggregator()
            committer = self._committer(owner, self._aggregator)
            emission = Emission(owner, committer, self.closing, self._outlet(self._aggregator), self._on_progress)
            self.tenure = Tenure(owner, committer, emission, self._stages, self._options.max_batches, self._on_change)
            await self.tenure.serve()

    async def sweep(self) -> None:
        """Remove what has expired from the store, in small bites, one round after another, for ever."""
        pause_ms = _SWEEP_EVERY_MS
        while True:
            await self._stages.clock.sleep(pause_ms)
            pause_ms = _SWEEP_EVERY_MS
            try:
                swept = await self._stages.store.sweep(_SWEEP_ROWS)
            except StoreUnavailable as error:
                self._stages.health.note(str(error))
            else:
                if not swept.through:
                    pause_ms = _SWEEP_HURRY_MS if swept.removed >= _SWEEP_MUCH else _SWEEP_PAUSE_MS

    async def _open(self) -> Owner:
        stages, options = self._stages, self._options
        while True:
            name = options.owner_name()
            owner = Owner(name, stages.store, stages.clock, stages.health, stages.counters, options.lease)
            try:
                opened = await stages.store.open(name, options.lease.lease_ms)
            except StoreUnavailable as error:
                stages.health.note(str(error))
                await stages.clock.sleep(_REOPEN_MS)
            else:
                stages.health.note(None)
                if opened:
                    return owner

    def _committer(self, owner: Owner, aggregator: Aggregator) -> Committer:
        stages = self._stages
        return Committer(
            owner,
            aggregator,
            stages.answers,
            stages.recent,
            stages.counters,
            stages.clock,
            claims_last_ms=lambda: stages.deduplicator.claims_last_ms,
            gather_events=self._options.gather_events,
            busy=lambda: bool(stages.intake.inbox.events or owner.batches),
            on_commit=self._note,
            on_progress=self._on_progress,
            on_announced=self.closing.grown,
        )

    def _note(self, batches: Sequence[Batch]) -> None:
        self._stages.committed_time.note(batches)
        self.closing.note(batches)

    def _outlet(self, aggregator: Aggregator) -> Outlet:
        stages = self._stages
        return Outlet(
            stages.egress,
            stages.publisher.dead_letters,
            stages.clock,
            stages.counters,
            lambda: stages.intake.generation.plan.id,
            aggregator.emitted,
        )
