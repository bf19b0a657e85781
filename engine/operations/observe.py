"""One worker observed: its live parts become a snapshot.

In: the parts, as they are. Out: a copy of their numbers. Rule of the file: nothing is changed, and nothing waits.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

from prometheus_client import ProcessCollector

import engine
from engine.event import FilterCounts
from engine.metrics import AggregationCounts, Counters, Durations, SourceCounts
from engine.operations.activity import Activity
from engine.operations.snapshot import (
    AggregationFigures,
    DurationFigures,
    Figures,
    FilterFigures,
    QueueFigures,
    RulesLoad,
    SeamFigures,
    Snapshot,
    SourceFigures,
)
from engine.pipeline.generation import Generation
from engine.pipeline.processor import Processor
from engine.ports import ContextSource
from engine.rules.model import Action, Aggregation, Allow, Block, Filter, SendTo, Source, Transform
from engine.rules.plan import Plan

_PROCESS: Final = ProcessCollector(registry=None)
PROCESS_FIGURES: Final = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_open_fds",
    "process_max_fds",
)
"""What the operating system says of a process, by its name in Prometheus; those of several workers add up."""

_FILTER_COUNTS: Final = ("evaluated", "matched", "unknown", "wrong_type", "errors", "held_back")
_SOURCE_COUNTS: Final = tuple(part.name for part in fields(SourceCounts) if part.name != "latency")


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What one worker is made of, for those who look at it.

    `store` and `egress` are their kinds, `egress_problem` says what keeps the egress from taking records. `rules_load` is the last attempt to
    load rules: None where there was none since the start. `shadow` counts what shadow rules would have done. `reasons` says what else keeps the engine from
    being well, a line each; `claims_forgotten` how many claims the store gave up to stay within its bound.
    `kept` is what else is in memory, and how much may be: `body_bytes` and `body_max_bytes`, and the like for connections, shared answers and claims.
    """

    processor: Processor
    activity: Activity
    store: str
    egress: str
    egress_problem: Callable[[], str | None]
    started_ms: int
    rules_load: Callable[[], RulesLoad | None] = lambda: None
    reasons: Callable[[], Sequence[str]] = tuple
    shadow: Callable[[], Figures] = dict
    claims_forgotten: Callable[[], int] = int
    kept: Callable[[], Figures] = dict


def observe(parts: LiveParts) -> Snapshot:
    """The worker at this moment."""
    processor, stages = parts.processor, parts.processor.stages
    generation, ledger = stages.intake.generation, stages.answers.ledger
    egress_problem = parts.egress_problem()
    counts = processor.aggregation_counts()
    return Snapshot(
        version=engine.__version__,
        rulesets={generation.plan.id: 1},
        rules_load=parts.rules_load() or RulesLoad(successful=True, at_ms=parts.started_ms),
        started_ms=parts.started_ms,
        now_ms=stages.clock.now_ms(),
        stopping=int(stages.intake.draining),
        ledger={"received": ledger.received, **ledger.ended, "in_flight": processor.in_flight()},
        counters=_counters(stages.counters),
        routes={name: stages.counters.published_by_route.get(name, 0) for name in generation.plan.ruleset.routes},
        queue=_queue(processor),
        store=SeamFigures(parts.store, stages.health.reason, int(stages.health.down)),
        egress=SeamFigures(parts.egress, egress_problem, int(egress_problem is not None)),
        durations=_durations(stages.times.durations),
        busy=parts.activity.busy(),
        events_per_second=parts.activity.events_per_second(),
        filters=_filters(generation),
        sources={
            name: _source(source, generation.enricher.sources[name])
            for name, source in generation.plan.ruleset.enrichment.sources.items()
        },
        aggregations={
            name: _aggregation(rule, counts.get(name, AggregationCounts()))
            for name, rule in generation.plan.ruleset.aggregations.items()
        },
        reasons=list(parts.reasons()),
        watermarks_ms=_watermarks(processor),
        process=_process(),
        shadow=parts.shadow(),
        claims_forgotten=parts.claims_forgotten(),
        kept=_kept(generation.plan, parts),
    )


def _kept(plan: Plan, parts: LiveParts) -> dict[str, int]:
    kept = Counter({"remembered_texts": len(plan.texts), "remembered_max_texts": plan.texts.most})
    kept.update(parts.kept())
    return dict(kept)


def _counters(counters: Counters) -> Figures:
    return {part.name: getattr(counters, part.name) for part in fields(counters) if part.name != "published_by_route"}


def _queue(processor: Processor) -> QueueFigures:
    stages = processor.stages
    intake, deferred, answers = stages.intake, stages.deferred, stages.answers
    inbox, orderer = intake.inbox, intake.orderer
    return QueueFigures(
        events=inbox.events,
        max_events=inbox.max_events,
        size_bytes=inbox.size_bytes,
        max_bytes=inbox.max_bytes,
        held=len(orderer.held),
        deferred=len(deferred),
        max_deferred=deferred.max_events,
        max_held=orderer.max_held,
        held_bytes=orderer.held_bytes,
        held_early=orderer.crowded_out,
        returned=len(intake.returned),
        copies=answers.copies,
        max_copies=answers.max_copies,
        recent_keys=len(stages.recent),
        tracked_keys=orderer.tracked,
        deferred_bytes=deferred.size_bytes,
    )


def _watermarks(processor: Processor) -> Figures:
    """None while events wait that were judged by an earlier watermark and are not counted yet."""
    stages = processor.stages
    return {} if len(stages.deferred) or len(stages.intake.returned) else dict(stages.committed_time.watermarks_ms)


def _durations(durations: Durations) -> DurationFigures:
    return DurationFigures(list(durations.counts), durations.total_s)


def _filters(generation: Generation) -> dict[str, FilterFigures]:
    filters = generation.plan.ruleset.filters
    return {rule.id: _filter(rule, generation.counts, index) for index, rule in enumerate(filters)}


def _filter(rule: Filter, counts: FilterCounts, index: int) -> FilterFigures:
    return FilterFigures(
        mode=rule.mode,
        description=rule.description,
        actions=[_action(action) for action in rule.actions],
        counts={name: getattr(counts, name)[index] for name in _FILTER_COUNTS},
        samples=[sample._asdict() for sample in reversed(counts.samples.get(index, ()))],
        rollout=None if rule.rollout is None else {"percent": rule.rollout.percent, "by": rule.rollout.by.text},
        last_match_ms=counts.last_match_ms[index] if counts.matched[index] else None,
    )


def _action(action: Action) -> dict[str, object]:
    """The action about as it is written; of a transform only which kinds of change it makes."""
    match action:
        case Allow(mark):
            return {"allow": {"mark": mark}}
        case Block(reason):
            return {"block": {"reason": reason}}
        case SendTo(to, mode):
            return {"route": {"to": to, "mode": mode}}
        case Transform():
            return {"transform": [part.name for part in fields(action) if getattr(action, part.name)]}


def _source(source: Source, live: ContextSource) -> SourceFigures:
    return SourceFigures(
        kinds=[spec.kind for spec in source.chain],
        breaker=live.breaker,
        entries=live.entries,
        max_entries=source.cache.local_max_entries if source.cache.local_ttl_ms is not None else 0,
        counts={name: getattr(live.counts, name) for name in _SOURCE_COUNTS},
        latency=_durations(live.counts.latency),
        waiting=live.waiting,
        max_waiting=source.max_waiting,
        problem=live.problem,
    )


def _aggregation(rule: Aggregation, counts: AggregationCounts) -> AggregationFigures:
    return AggregationFigures(
        description=rule.description,
        key=[name for name, _ in rule.key],
        size_ms=rule.size_ms,
        every_ms=rule.every_ms,
        allow_late_ms=rule.allow_late_ms,
        retain_ms=rule.retain_ms,
        measures={measure.name: measure.kind for measure in rule.measures},
        max_keys=rule.max_keys,
        counts=counts._asdict(),
    )


def _process() -> dict[str, float]:
    """Memory, processor time and open files; nothing where the operating system does not say."""
    samples = [sample for family in _PROCESS.collect() for sample in family.samples]
    return {sample.name: sample.value for sample in samples if sample.name in PROCESS_FIGURES}
