"""The composition root: the only file that names every concrete class.

In: settings and a plan. Out: a processor with its store, its egress and its sources, wired together.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from engine.enrichment.given import GivenContexts
from engine.enrichment.kinds import MODULES
from engine.enrichment.pool import SourcePool
from engine.event import Event, FilterCounts, Submission
from engine.ingress.decode import Decoder
from engine.metrics import Counters, Ledger
from engine.operations.explaining import Explainer
from engine.operations.inquiry import EngineStatistics
from engine.operations.observe import LiveParts, observe
from engine.operations.snapshot import Snapshot
from engine.pipeline.aggregate import Aggregator
from engine.pipeline.answers import Answers
from engine.pipeline.deduplicate import Deduplicator
from engine.pipeline.deferred import DeferredQueue
from engine.pipeline.enrich import Enricher
from engine.pipeline.generation import Generation
from engine.pipeline.inbox import Inbox
from engine.pipeline.intake import Intake
from engine.pipeline.onlookers import Onlookers
from engine.pipeline.order import Orderer
from engine.pipeline.owner import StoreHealth
from engine.pipeline.processor import Options, Processor
from engine.pipeline.progress import CommittedTime, SubmissionTimes
from engine.pipeline.publish import Publisher
from engine.pipeline.recent import RecentKeys
from engine.pipeline.stages import Stages
from engine.ports import Clock, DeadLetters, Egress, StateStore
from engine.rules.plan import Plan
from engine.rules.plan_events import EventPlan
from engine.settings import Settings
from engine.state.reader import read_range

SOURCE_KINDS = frozenset(MODULES)
"""The kinds of enrichment source that can be built."""

_MIN_CLAIM_MS = 600_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what is kept in memory, in events, bytes, keys and texts. `inbox_bytes` is as well for what is held, and for what is deferred."""

    inbox_events: int = 10_000
    inbox_bytes: int = 64 << 20
    max_batch: int = 1_000
    held_events: int = 50_000
    deferred_events: int = 10_000
    waiting_copies: int = 10_000
    recent_keys: int = 50_000
    tracked_keys: int = 50_000
    remembered_texts: int = 10_000
    event_bytes: int = 1 << 20

    @classmethod
    def of_feed(cls, events: int) -> "Limits":
        """For one feeder that submits so many events at once, with as many waiting; the store alone knows keys, as each event is read once."""
        return cls(inbox_events=2 * events, max_batch=events, recent_keys=0)


def build_pool(settings: Settings, clock: Clock) -> SourcePool:
    """A pool of sources with the engine's Redis behind it, where the settings say so. The caller closes it."""
    shared = settings.shared_cache
    shares = shared.use == "always" or (shared.use == "auto" and settings.store == "redis")
    return SourcePool(clock, redis=settings.redis, shared=shared if shares else None)


def limits_of(settings: Settings) -> Limits:
    """The bounds that are set."""
    processor = settings.processor
    return Limits(
        inbox_events=processor.buffer_size,
        inbox_bytes=processor.buffer_bytes,
        max_batch=processor.max_batch,
        held_events=processor.max_held,
        deferred_events=processor.max_deferred,
        waiting_copies=processor.max_copies,
        recent_keys=processor.recent_keys,
        tracked_keys=processor.tracked_keys,
        remembered_texts=processor.remembered_texts,
        event_bytes=settings.http.max_event_bytes,
    )


def build_processor(
    plan: Plan,
    *,
    store: StateStore,
    egress: Egress,
    dead_letters: DeadLetters,
    clock: Clock,
    options: Options,
    topic: str,
    limits: Limits = Limits(),
    pool: SourcePool | None = None,
    onlookers: Onlookers | None = None,
) -> Processor:
    """A processor for a plan, not yet running. The caller closes what it passed in, and the generation in service at the end.

    Sources are taken from `pool`; without one, from a pool of its own. `onlookers` see every batch. Raises SettingsInvalid or LookupFailed where a source of the plan cannot be built.
    """
    counters, answers, health = Counters(), Answers(Ledger(), limits.waiting_copies), StoreHealth()
    sources = pool or SourcePool(clock)

    def generation(plan: Plan, number: int) -> Generation:
        watched = plan if onlookers is None else onlookers.around(plan)
        return build_generation(watched, number, clock, counters, limits, sources)

    recent = RecentKeys(limits.recent_keys, _MIN_CLAIM_MS)
    deferred = DeferredQueue(limits.deferred_events, limits.inbox_bytes)
    deduplicator = Deduplicator(answers, counters, recent, plan.ruleset.deduplication)
    intake = Intake(
        Inbox(limits.inbox_events, limits.inbox_bytes),
        Orderer(limits.tracked_keys, limits.held_events, limits.inbox_bytes, by_clock=options.live),
        deduplicator,
        deferred,
        health,
        answers.ledger,
        clock,
        generation(plan, 1),
        limits.max_batch,
        ack_received=options.ack_received,
    )
    publisher = Publisher(egress, dead_letters, clock, counters, topic)
    stages = Stages(
        intake,
        deduplicator,
        publisher,
        answers,
        recent,
        deferred,
        lambda: Aggregator(intake.generation.plan.aggregation_code, clock),
        generation,
        store,
        egress,
        clock,
        health,
        counters,
        SubmissionTimes(clock),
        CommittedTime(),
    )
    return Processor(stages, options)


def build_statistics(
    parts: LiveParts, store: StateStore, of_all: Callable[[], Awaitable[Snapshot]] | None = None
) -> EngineStatistics:
    """What can be asked of the store and of all workers, which are this one alone where nothing is given."""

    async def snapshot() -> Snapshot:
        return observe(parts)

    return EngineStatistics(of_all or snapshot, lambda: parts.processor.stages.intake.generation.plan, partial(read_range, store))


def build_generation(plan: Plan, number: int, clock: Clock, counters: Counters, limits: Limits, pool: SourcePool) -> Generation:
    """A plan with its decoder and its sources, which it takes from the pool and gives back when it is closed.

    Raises SettingsInvalid or LookupFailed where a source cannot be built.
    """
    sources = pool.acquire(plan.ruleset.enrichment)
    plan.texts.max_texts = limits.remembered_texts
    decoder = Decoder(plan.events, clock.now_ms, max_event_bytes=limits.event_bytes)
    counts = FilterCounts.zero(len(plan.ruleset.filters))
    enricher, close = Enricher(sources, counters), partial(pool.release, sources.values())
    return Generation(number, plan, decoder.decode, decoder.recheck, enricher, counts, close)


def build_explainer(generation: Callable[[], Generation], clock: Clock, max_event_bytes: int) -> Explainer:
    """An explainer of events under the generation in service."""

    def decode(plan: EventPlan, submission: Submission) -> list[Event]:
        return Decoder(plan, clock.now_ms, max_event_bytes=max_event_bytes).decode(submission)

    return Explainer(generation, decode, GivenContexts)
