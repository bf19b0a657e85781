"""The composition root: the only file that names every concrete class.

In: settings and a plan. Out: a processor with its store, its egress and its sources, wired together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from engine.enrichment.contexts import SourceContexts
from engine.enrichment.sources.file import FileSource
from engine.event import FilterCounts
from engine.ingress.decode import Decoder
from engine.metrics import Counters, Ledger
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
from engine.pipeline.order import Orderer
from engine.pipeline.owner import StoreHealth
from engine.pipeline.processor import Options, Processor
from engine.pipeline.progress import CommittedTime, SubmissionTimes
from engine.pipeline.publish import Publisher
from engine.pipeline.recent import RecentKeys
from engine.pipeline.stages import Stages
from engine.ports import Clock, ContextSource, DeadLetters, Egress, LookupSource, StateStore
from engine.rules.compiler import SOURCE_PLUGINS
from engine.rules.model import Source, SourceSpec
from engine.rules.plan import Plan
from engine.state.reader import read_range

SOURCE_KINDS = frozenset({"file"})
"""The kinds of enrichment source that can be built."""

_MIN_CLAIM_MS = 600_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what is kept in memory, in events, bytes and keys."""

    inbox_events: int = 10_000
    inbox_bytes: int = 64 << 20
    max_batch: int = 1_000
    deferred_events: int = 10_000
    recent_keys: int = 50_000
    tracked_keys: int = 50_000
    event_bytes: int = 1 << 20


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
) -> Processor:
    """A processor for a plan, not yet running. The caller closes what it passed in."""
    counters, answers, health = Counters(), Answers(Ledger()), StoreHealth()
    recent = RecentKeys(limits.recent_keys, _MIN_CLAIM_MS)
    deferred = DeferredQueue(limits.deferred_events)
    rejecting = frozenset(r.event_type for r in plan.ruleset.deduplication.values() if r.on_conflict == "reject")
    deduplicator = Deduplicator(answers, counters, recent, rejecting)
    intake = Intake(
        Inbox(limits.inbox_events, limits.inbox_bytes),
        Orderer(limits.tracked_keys),
        deduplicator,
        deferred,
        health,
        answers.ledger,
        clock,
        build_generation(plan, 1, clock, counters, limits),
        limits.max_batch,
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
        store,
        egress,
        clock,
        health,
        counters,
        SubmissionTimes(clock),
        CommittedTime(),
    )
    return Processor(stages, options)


def build_statistics(parts: LiveParts, store: StateStore) -> EngineStatistics:
    """What can be asked of one worker, and of the store."""

    async def snapshot() -> Snapshot:
        return observe(parts)

    return EngineStatistics(snapshot, lambda: parts.processor.stages.intake.generation.plan, partial(read_range, store))


def build_generation(plan: Plan, number: int, clock: Clock, counters: Counters, limits: Limits) -> Generation:
    """A plan with its decoder and its sources."""
    sources = {name: build_source(source, clock) for name, source in plan.ruleset.enrichment.sources.items()}
    decoder = Decoder(plan.events, clock.now_ms, max_event_bytes=limits.event_bytes)
    counts = FilterCounts.zero(len(plan.ruleset.filters))
    return Generation(number, plan, decoder.decode, Enricher(sources, counters), counts)


def build_source(source: Source, clock: Clock) -> ContextSource:
    """An enrichment source with its fallbacks."""
    return SourceContexts(source, [_build_place(spec, clock) for spec in source.chain])


def _build_place(spec: SourceSpec, clock: Clock) -> LookupSource:
    """One place of a chain: a kind of ours, or a plug-in's factory, called with the settings as written."""
    if spec.kind in _SOURCES:
        return _SOURCES[spec.kind](spec, clock)
    (plugin,) = entry_points(group=SOURCE_PLUGINS, name=spec.kind)
    made: LookupSource = plugin.load()(spec.settings)
    return made


def _file_source(spec: SourceSpec, clock: Clock) -> LookupSource:
    id_field = spec.settings.get("id")
    path = Path(spec.span.file).parent / str(spec.settings["path"])
    built = FileSource(path, None if id_field is None else str(id_field), clock)
    built.rows()
    return built


_SOURCES: dict[str, Callable[[SourceSpec, Clock], LookupSource]] = {"file": _file_source}
